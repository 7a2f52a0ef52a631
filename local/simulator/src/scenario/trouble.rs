use std::time::Duration;

use local::s3::{Chances, Effect, Fault, S3ErrorCode};
use rand::RngExt;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use crate::party::{Function, Service};

/// A trouble, and when it happens.
#[derive(Clone, Debug)]
pub struct Lasting {
    pub from: Duration,
    pub to: Duration,
    pub trouble: Trouble,
}

impl Lasting {
    pub fn is_active(&self, now: Duration) -> bool {
        (self.from..self.to).contains(&now)
    }
}

/// What goes wrong. `percent` is the chance that it happens to a request or an invocation.
#[derive(Clone, Debug)]
pub enum Trouble {
    /// S3 throttles.
    Throttles { percent: u32 },
    /// S3 fails, or breaks the connection before it does anything.
    Errors { percent: u32 },
    /// S3's responses are wrong: too short, without an `ETag`, or nothing was done.
    WrongResponses { percent: u32 },
    /// Bodies stop half-way, and connections break after a write.
    BrokenBodies { percent: u32 },
    /// Pages of listings have too few keys.
    ShortPages { percent: u32 },
    /// One of the faults that the local server knows, a few times.
    Planned {
        operation: &'static str,
        key_contains: String,
        effect: Effect,
        after: usize,
        times: usize,
    },
    /// The request takes effect, and its response never arrives.
    LostResponses { service: Service, percent: u32 },
    /// The request arrives late, when its sender may have given it up.
    LateRequests {
        service: Service,
        percent: u32,
        at_most: Duration,
    },
    /// No request of a function reaches a service. If it is silent, the sender only notices by its time limits.
    Partition {
        function: Function,
        service: Service,
        silent: bool,
    },
    /// An invocation dies while it waits, at most at this wait.
    Deaths {
        function: Function,
        percent: u32,
        waits: usize,
    },
    /// An invocation is frozen while it waits, at most at this wait and for this time.
    Freezes {
        function: Function,
        percent: u32,
        waits: usize,
        at_most: Duration,
    },
    /// An image kills each processor that gets it.
    Poison { key: String },
    /// Lambda throttles invocations.
    Refusals { percent: u32 },
    /// Lambda fails before the function runs.
    Failures { percent: u32 },
    /// Lambda delivers asynchronous events twice.
    DuplicateEvents { percent: u32 },
    /// Lambda delivers asynchronous events late.
    LateEvents { percent: u32, at_most: Duration },
    /// The clocks of new execution environments are wrong by up to this.
    WrongClocks { at_most: Duration },
}

impl Trouble {
    /// Adds what S3 does by chance.
    pub fn add_to(&self, chances: &mut Chances) {
        match *self {
            Self::Throttles { percent } => chances.slow_down += f64::from(percent),
            Self::Errors { percent } => {
                chances.internal_error += f64::from(percent) / 3.0;
                chances.other_error += f64::from(percent) / 3.0;
                chances.reset += f64::from(percent) / 3.0;
            }
            Self::WrongResponses { percent } => chances.wrong_response += f64::from(percent),
            Self::BrokenBodies { percent } => {
                chances.stall += f64::from(percent) / 2.0;
                chances.cut += f64::from(percent) / 2.0;
            }
            Self::ShortPages { percent } => {
                chances.empty_page += f64::from(percent) / 2.0;
                chances.short_page += f64::from(percent) / 2.0;
            }
            _ => {}
        }
    }

    /// The fault of the local server that it is.
    pub fn planned(&self) -> Option<Fault> {
        let Self::Planned {
            operation,
            key_contains,
            effect,
            after,
            times,
        } = self
        else {
            return None;
        };
        Some(Fault {
            operation,
            key_contains: key_contains.clone(),
            effect: effect.clone(),
            after: *after,
            times: *times,
        })
    }
}

pub fn troubles(random: &mut ChaCha8Rng, keys: &[String], calm_at: Duration) -> Vec<Lasting> {
    let count = *[0, 1, 2, 3, 5, 8].choose(random).expect("it is not empty");
    (0..count)
        .map(|_| {
            // Many begin with the job, and many last to the end.
            let from = calm_at.mul_f64((random.random_range(-0.5..1.0_f64)).max(0.0).powi(2));
            let to = from
                + calm_at
                    .saturating_sub(from)
                    .mul_f64(random.random_range(0.0..1.5_f64).min(1.0));
            Lasting {
                from,
                to,
                trouble: trouble(random, keys),
            }
        })
        .collect()
}

fn trouble(random: &mut ChaCha8Rng, keys: &[String]) -> Trouble {
    let percent = *[2, 10, 30, 90].choose(random).expect("it is not empty");
    let function = *[Function::Fanout, Function::Processor]
        .choose(random)
        .expect("it is not empty");
    let service = *[Service::S3, Service::S3, Service::Lambda, Service::Scheduler]
        .choose(random)
        .expect("it is not empty");
    let waits = *[5, 30, 200, 1000].choose(random).expect("it is not empty");
    let at_most = Duration::from_secs(*[1, 20, 90, 400].choose(random).expect("it is not empty"));
    let soft = percent.min(30);
    match random.random_range(0..28) {
        0 => Trouble::Throttles { percent },
        1 => Trouble::Errors { percent },
        2 => Trouble::WrongResponses { percent: soft },
        3 => Trouble::BrokenBodies { percent: soft },
        4 => Trouble::ShortPages { percent },
        5..11 => planned(random, keys),
        11..14 => Trouble::LostResponses { service, percent },
        14..16 => Trouble::LateRequests {
            service,
            percent: soft,
            at_most,
        },
        16..18 => Trouble::Partition {
            function,
            service,
            silent: random.random_bool(0.5),
        },
        18..21 => Trouble::Deaths {
            function,
            percent,
            waits,
        },
        21..23 => Trouble::Freezes {
            function,
            percent: soft,
            waits,
            at_most,
        },
        23 => Trouble::Refusals { percent },
        24 => Trouble::Failures { percent },
        25 => Trouble::DuplicateEvents { percent },
        26 => Trouble::Poison {
            key: keys.choose(random).cloned().unwrap_or_default(),
        },
        _ if random.random_bool(0.5) => Trouble::LateEvents { percent, at_most },
        _ => Trouble::WrongClocks { at_most },
    }
}

/// Operations that write, that copy, that read, that read a body, and that list.
const WRITES: &[&str] = &["PutObject", "CopyObject"];
const COPIES: &[&str] = &["CopyObject"];
const READS: &[&str] = &["GetObject", "HeadObject"];
const GETS: &[&str] = &["GetObject"];
const LISTS: &[&str] = &["ListObjectsV2"];

/// The faults of the local server that happen to single requests, and to which operations. Those that are missing
/// happen by chance, or as long as the run lasts.
fn effects() -> Vec<(&'static [&'static str], Effect)> {
    let long = Effect::Spaces {
        every: Duration::from_secs(10),
        count: 7,
    };
    let mut effects = vec![
        (WRITES, Effect::Nothing),
        (WRITES, Effect::NoETag),
        (WRITES, Effect::Cut),
        (WRITES, Effect::Stall),
        (WRITES, Effect::Hang),
        (WRITES, Effect::Drop),
        (WRITES, Effect::Status(409, Some("ConditionalRequestConflict"))),
        (WRITES, Effect::Status(307, Some("TemporaryRedirect"))),
        (WRITES, Effect::Status(301, Some("PermanentRedirect"))),
        (COPIES, Effect::ErrorWithin("InternalError")),
        (COPIES, long),
        (READS, Effect::Hang),
        (READS, Effect::NoETag),
        (READS, Effect::Status(503, None)),
        (GETS, Effect::Shorter),
        (GETS, Effect::NoBytes),
        (GETS, Effect::Flipped),
        (GETS, Effect::WholeBody),
        (GETS, Effect::OtherRange),
        (GETS, Effect::NoLength),
        (GETS, Effect::Endless),
        (LISTS, Effect::NoProgress),
        (LISTS, Effect::NoStartAfter),
        (LISTS, Effect::FromStartAfter),
        (LISTS, Effect::PlainKeys),
        (LISTS, Effect::NotUtf8),
        (LISTS, Effect::Status(503, None)),
    ];
    for operations in [WRITES, READS, LISTS] {
        for code in [
            S3ErrorCode::AccessDenied,
            S3ErrorCode::ExpiredToken,
            S3ErrorCode::InvalidAccessKeyId,
            S3ErrorCode::NoSuchBucket,
        ] {
            effects.push((operations, Effect::Error(code)));
        }
    }
    effects
}

fn planned(random: &mut ChaCha8Rng, keys: &[String]) -> Trouble {
    let (operations, effect) = effects().choose(random).expect("it is not empty").clone();
    let places = [
        "",
        "checkpoint.json",
        "job.json",
        "records/",
        "chunks/",
        "failed/",
        "images/",
        "lists/",
    ];
    let key_contains = match random.random_range(0..3) {
        _ if operations == LISTS => String::new(),
        0 => keys.choose(random).cloned().unwrap_or_default(),
        _ => (*places.choose(random).expect("it is not empty")).to_owned(),
    };
    Trouble::Planned {
        operation: operations.choose(random).expect("it is not empty"),
        key_contains,
        after: random.random_range(0..6),
        // The same wrong bytes twice look like a store whose ETags are no MD5.
        times: match effect {
            Effect::Flipped => 1,
            _ => *[1, 2, 20].choose(random).expect("it is not empty"),
        },
        effect,
    }
}
