//! Decides which messages are processed together, and which alone.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::Message;

/// The messages of an invocation, in the order in which they are processed.
#[derive(Debug, Default)]
pub struct Turns {
    pub together: Vec<Message>,
    /// One after the other, after `together`.
    pub alone: Vec<Message>,
}

/// When a message has its turn among those that are processed alone. Smaller is earlier.
type Turn = (u32, u64);

impl Turns {
    /// Messages that were received before are processed alone, and with them the messages that follow in their groups.
    ///
    /// A message that kills the process also stops all messages after it, and the next time, all of them come again. So
    /// the messages that were received most often are last. Among equals, each order is followed by its reverse, the
    /// next time: what came after the deadly message then comes before it.
    pub fn of(messages: Vec<Message>) -> Self {
        let mut turns = Self::default();
        let mut groups: HashMap<String, Turn> = HashMap::new();
        let mut alone = Vec::new();
        let is_single = messages.len() == 1;
        for message in messages {
            let group = message.group.as_ref();
            let turn = match group.and_then(|group| groups.get(group)) {
                Some(turn) => *turn,
                None if message.receives > 1 && !is_single => turn(&message),
                None => {
                    turns.together.push(message);
                    continue;
                }
            };
            if let Some(group) = group {
                groups.insert(group.clone(), turn);
            }
            alone.push((turn, message));
        }
        // The messages of a group have the same turn, and keep their order.
        alone.sort_by_key(|(turn, _)| *turn);
        turns.alone = alone.into_iter().map(|(_, message)| message).collect();
        turns
    }
}

fn turn(message: &Message) -> Turn {
    let mut hasher = DefaultHasher::new();
    // A new order for each pair of receives, so that two deadly messages do not always have the same ones between them.
    (&message.id, message.receives / 2).hash(&mut hasher);
    let order = hasher.finish();
    let is_reversed = !message.receives.is_multiple_of(2);
    (message.receives, if is_reversed { !order } else { order })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: usize, receives: u32, group: Option<&str>) -> Message {
        Message {
            id: id.to_string(),
            receipt_handle: None,
            queue_arn: None,
            receives,
            group: group.map(str::to_owned),
            entries: Ok(Vec::new()),
        }
    }

    fn ids(messages: &[Message]) -> Vec<usize> {
        messages.iter().map(|message| message.id.parse().unwrap()).collect()
    }

    #[test]
    fn messages_that_were_received_before_are_alone_and_last() {
        let messages = [(0, 2), (1, 1), (2, 3), (3, 1), (4, 2)];
        let turns = Turns::of(messages.map(|(id, receives)| message(id, receives, None)).to_vec());
        assert_eq!(ids(&turns.together), [1, 3]);
        let alone = ids(&turns.alone);
        assert!(alone == [0, 4, 2] || alone == [4, 0, 2], "{alone:?}");
    }

    #[test]
    fn a_message_that_comes_alone_needs_no_turn() {
        assert_eq!(ids(&Turns::of(vec![message(0, 4, None)]).together), [0]);
    }

    #[test]
    fn the_next_time_the_order_is_reversed() {
        let alone = |receives| ids(&Turns::of((0..50).map(|id| message(id, receives, None)).collect()).alone);
        for receives in [2, 4, 6] {
            let mut next = alone(receives + 1);
            next.reverse();
            assert_eq!(alone(receives), next);
        }
        assert_ne!(alone(2), alone(4));
    }

    #[test]
    fn groups_keep_their_order() {
        let messages = [
            (0, 1, "a"),
            (1, 2, "b"),
            (2, 1, "b"),
            (3, 1, "a"),
            (4, 2, "c"),
            (5, 2, "b"),
        ];
        let messages = messages.map(|(id, receives, group)| message(id, receives, Some(group)));
        let turns = Turns::of(messages.to_vec());
        assert_eq!(ids(&turns.together), [0, 3]);
        let alone = ids(&turns.alone);
        assert!(alone == [1, 2, 5, 4] || alone == [4, 1, 2, 5], "{alone:?}");
    }
}
