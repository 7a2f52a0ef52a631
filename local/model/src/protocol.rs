use std::collections::BTreeSet;

use stateright::{Model, Property};

use crate::broken::Broken;
use crate::fanout::{Fanout, Stage, Work};
use crate::network::{Request, Response};
use crate::store::{Attempt, Checkpoint, InFlight, Keys, RecordFile, Store};

const ALL: Keys = Keys(0b111);

/// The protocol, perhaps with a rule broken, and how far it is explored.
#[derive(Clone, Debug)]
pub struct Protocol {
    pub broken: Option<Broken>,
    /// The most invocations of fanout that have had the job, one after the other.
    pub max_generation: u8,
    /// The most attempts of each.
    pub max_sequence: u8,
    /// The most requests that are sent again because their response was lost.
    pub max_losses: u8,
}

/// All parties, and what is on its way between them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct State {
    pub store: Store,
    pub fanouts: [Fanout; 2],
    pub requests: BTreeSet<Request>,
    pub responses: BTreeSet<Response>,
    pub losses: u8,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// The lease has ended, as far as S3's clock says. A fanout takes the job over.
    TakeOver(usize),
    /// A fanout writes a checkpoint, with attempts for the waiting chunks.
    Save(usize),
    /// A fanout gets no response to its checkpoint in time, and sends it again.
    SaveAgain(usize),
    /// An invocation is lost, as far as its fanout knows.
    Lose(usize, Attempt),
    /// A fanout gives a lost attempt up.
    GiveUp(usize, Attempt),
    /// A request takes effect.
    Arrive(Request),
    /// A response arrives.
    Respond(Response),
}

impl Protocol {
    fn breaks(&self, rule: Broken) -> bool {
        self.broken == Some(rule)
    }

    /// What a fanout can do by itself.
    fn steps(&self, fanout: &Fanout, state: &State, actions: &mut Vec<Action>) {
        let number = fanout.number;
        let Some(work) = &fanout.work else {
            let checkpoint = &state.store.checkpoint;
            if !checkpoint.is_completed && checkpoint.generation < self.max_generation {
                actions.push(Action::TakeOver(number));
            }
            return;
        };
        match work.saving {
            None if work.is_dirty || work.may_reserve(self.max_sequence) => actions.push(Action::Save(number)),
            Some(_) if state.losses < self.max_losses => actions.push(Action::SaveAgain(number)),
            _ => {}
        }
        for (&attempt, &stage) in &work.stages {
            match stage {
                Stage::Sent => actions.push(Action::Lose(number, attempt)),
                // A fanout that takes a job over writes its checkpoint first.
                Stage::Lost if work.revision > 0 && work.saving.is_none() => {
                    actions.push(Action::GiveUp(number, attempt));
                }
                Stage::Lost | Stage::Reserved => {}
            }
        }
    }

    fn arrive(&self, state: &mut State, request: &Request) {
        state.requests.remove(request);
        let response = match request.clone() {
            Request::Save {
                from,
                if_match,
                checkpoint,
            } => {
                let revision = checkpoint.revision;
                let if_match = (!self.breaks(Broken::UnconditionalCheckpoint)).then_some(if_match);
                let etag = state.store.save(checkpoint, if_match);
                Some(Response::Saved {
                    to: from,
                    revision,
                    etag,
                })
            }
            Request::Commit { from, attempt, keys } => {
                let records = RecordFile::Records(keys);
                let written = if self.breaks(Broken::UnconditionalCommit) {
                    state.store.records.insert(attempt, records);
                    records
                } else {
                    state.store.write_once(attempt, records)
                };
                // Otherwise it was given up, and its invocation fails.
                (written == records).then_some(Response::Processed {
                    to: from,
                    attempt,
                    ok: keys,
                })
            }
            Request::Fence { from, attempt } => Some(Response::GivenUp {
                to: from,
                attempt,
                file: state.store.write_once(attempt, RecordFile::Fence),
            }),
        };
        state.responses.extend(response);
    }

    fn respond(&self, state: &mut State, response: &Response) {
        state.responses.remove(response);
        match *response {
            Response::Saved { to, revision, etag } => saved(state, to, revision, etag),
            Response::Processed { to, attempt, ok } => {
                let work = state.fanouts[to].work.as_mut();
                if let Some(work) = work.filter(|work| work.stages.get(&attempt) == Some(&Stage::Sent)) {
                    work.settle(attempt, ok);
                }
            }
            Response::GivenUp { to, attempt, file } => {
                let Some(work) = &mut state.fanouts[to].work else {
                    return;
                };
                let committed = match file {
                    RecordFile::Fence => Keys::default(),
                    RecordFile::Records(keys) => keys,
                };
                if work.in_flight.contains_key(&attempt) {
                    if self.breaks(Broken::AdoptedTwice) {
                        work.queue.push(committed);
                    }
                    work.settle(attempt, committed);
                }
            }
        }
    }

    fn take_over(&self, state: &mut State, number: usize) {
        let mut work = Work::take_over(&state.store.checkpoint, state.store.etag);
        if self.breaks(Broken::NotGivenUpAtTakeOver) {
            work.queue.extend(work.in_flight.values());
            work.in_flight.clear();
            work.stages.clear();
        }
        state.fanouts[number].work = Some(work);
    }

    fn save(&self, state: &mut State, number: usize) {
        let State { fanouts, requests, .. } = state;
        let Some(work) = &mut fanouts[number].work else { return };
        while work.may_reserve(self.max_sequence) {
            let (attempt, keys) = work.reserve();
            if self.breaks(Broken::SentBeforeTheCheckpoint) {
                work.stages.insert(attempt, Stage::Sent);
                let from = number;
                requests.insert(Request::Commit { from, attempt, keys });
            }
        }
        let checkpoint = work.checkpoint(number);
        work.saving = Some(checkpoint.clone());
        requests.insert(Request::Save {
            from: number,
            if_match: work.etag,
            checkpoint,
        });
    }

    fn give_up(&self, state: &mut State, number: usize, attempt: Attempt) {
        let Some(work) = &mut state.fanouts[number].work else {
            return;
        };
        if !self.breaks(Broken::NoFence) {
            state.requests.insert(Request::Fence { from: number, attempt });
        }
        if self.breaks(Broken::NoFence) || self.breaks(Broken::FenceAfterTheResend) {
            work.settle(attempt, Keys::default());
        }
    }
}

/// A checkpoint has its response. If it was not written, the fanout reads what S3 holds.
fn saved(state: &mut State, to: usize, revision: u8, etag: Option<u8>) {
    let found = (state.store.checkpoint.clone(), state.store.etag);
    let Some(work) = &mut state.fanouts[to].work else {
        return;
    };
    let Some(saving) = work.saving.take_if(|saving| saving.revision == revision) else {
        return;
    };
    let (checkpoint, found_etag) = found;
    let is_own = (checkpoint.generation, checkpoint.owner, checkpoint.revision)
        == (saving.generation, saving.owner, saving.revision);
    work.etag = match etag {
        Some(etag) => etag,
        None if is_own => found_etag,
        // Another fanout works on the job.
        None => {
            state.fanouts[to].work = None;
            return;
        }
    };
    if saving.is_completed {
        state.fanouts[to].work = None;
        return;
    }
    for (&attempt, &keys) in &saving.in_flight {
        if let Some(stage) = work.stages.get_mut(&attempt).filter(|stage| **stage == Stage::Reserved) {
            *stage = Stage::Sent;
            // A processor works on it, and then commits.
            let from = to;
            state.requests.insert(Request::Commit { from, attempt, keys });
        }
    }
}

fn save_again(state: &mut State, number: usize) {
    state.losses += 1;
    let Some(work) = &state.fanouts[number].work else {
        return;
    };
    state
        .responses
        .retain(|response| !matches!(response, Response::Saved { to, .. } if *to == number));
    if let Some(checkpoint) = work.saving.clone() {
        state.requests.insert(Request::Save {
            from: number,
            if_match: work.etag,
            checkpoint,
        });
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            store: Store {
                checkpoint: Checkpoint {
                    generation: 0,
                    owner: usize::MAX,
                    revision: 0,
                    ok: Keys::default(),
                    queue: vec![Keys(0b011), Keys(0b100)],
                    in_flight: InFlight::new(),
                    is_completed: false,
                },
                etag: 0,
                records: [].into(),
            },
            fanouts: [0, 1].map(|number| Fanout { number, work: None }),
            requests: BTreeSet::new(),
            responses: BTreeSet::new(),
            losses: 0,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        for fanout in &state.fanouts {
            self.steps(fanout, state, actions);
        }
        actions.extend(state.requests.iter().cloned().map(Action::Arrive));
        actions.extend(state.responses.iter().cloned().map(Action::Respond));
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = state.clone();
        match action {
            Action::TakeOver(number) => self.take_over(&mut next, number),
            Action::Save(number) => self.save(&mut next, number),
            Action::SaveAgain(number) => save_again(&mut next, number),
            Action::Lose(number, attempt) => {
                let work = next.fanouts[number].work.as_mut()?;
                work.stages.insert(attempt, Stage::Lost);
            }
            Action::GiveUp(number, attempt) => self.give_up(&mut next, number, attempt),
            Action::Arrive(request) => self.arrive(&mut next, &request),
            Action::Respond(response) => self.respond(&mut next, &response),
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("no key has two records", |_, state: &State| !state.store.recorded().1),
            Property::always("what counts has a record", |_, state: &State| {
                state.store.checkpoint.ok.without(state.store.recorded().0).is_empty()
            }),
            Property::always("a completed job has one record of each key", |_, state: &State| {
                let checkpoint = &state.store.checkpoint;
                !checkpoint.is_completed || (checkpoint.ok == ALL && state.store.recorded() == (ALL, false))
            }),
            Property::always("no key is forgotten", |_, state: &State| {
                let checkpoint = &state.store.checkpoint;
                let waiting = checkpoint.queue.iter().chain(checkpoint.in_flight.values());
                waiting.fold(checkpoint.ok, |all, &keys| all.with(keys)) == ALL
            }),
            Property::sometimes("a job completes", |_, state: &State| {
                state.store.checkpoint.is_completed
            }),
            Property::sometimes("a job completes after it was taken over", |_, state: &State| {
                state.store.checkpoint.is_completed && state.store.checkpoint.generation > 1
            }),
        ]
    }
}
