//! Answers that are owed to frames which cause events of their own.
//!
//! Such an event stands for the answer, because it has a number: whichever of the two comes last finds that out here.
//! Invariant: each frame is answered once, whether its event comes before its outcome, after it, late or never.

use std::time::{Duration, Instant};

/// How long an answer waits for the event that its frame caused, to go out in its place.
const OWN_EVENT: Duration = Duration::from_secs(1);

/// The frames of one socket that are owed an answer.
#[derive(Debug, Default)]
pub(super) struct Owed {
    next: u64,
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    /// Ours, because clients may use an id again.
    number: u64,
    id: u64,
    state: State,
}

#[derive(Debug)]
enum State {
    /// Neither its outcome nor its event is known.
    Working,
    /// Its event came and was the answer.
    Answered,
    /// It was granted then; this is the answer if the event takes too long.
    Granted(Instant, String),
}

impl Owed {
    /// The frame `id` is about to be worked off; returns the number under which its event will come.
    pub(super) fn begin(&mut self, id: u64) -> u64 {
        self.next += 1;
        self.entries.push(Entry { number: self.next, id, state: State::Working });
        self.next
    }

    fn place(&self, number: u64) -> Option<usize> {
        self.entries.iter().position(|entry| entry.number == number)
    }

    /// An event came; returns the id of the frame that it answers, if there is one.
    pub(super) fn event(&mut self, number: u64) -> Option<u64> {
        let place = self.place(number)?;
        let entry = &mut self.entries[place];
        let id = entry.id;
        match entry.state {
            State::Working => entry.state = State::Answered,
            State::Answered => return None,
            State::Granted(..) => {
                self.entries.remove(place);
            }
        }
        Some(id)
    }

    /// The frame is worked off, and an event of its own comes or not; returns the answer if it is due now.
    pub(super) fn worked(&mut self, number: u64, answer: String, event: bool) -> Option<String> {
        let Some(place) = self.place(number) else { return Some(answer) };
        if event && matches!(self.entries[place].state, State::Working) {
            self.entries[place].state = State::Granted(Instant::now(), answer);
            return None;
        }
        match self.entries.remove(place).state {
            State::Answered => None,
            _ => Some(answer),
        }
    }

    /// When the next event will have taken too long.
    pub(super) fn due(&self) -> Option<Instant> {
        let granted = self.entries.iter().filter_map(|entry| match &entry.state {
            State::Granted(since, _) => Some(*since + OWN_EVENT),
            State::Working | State::Answered => None,
        });
        granted.min()
    }

    /// Answers whose events have taken too long by `now`: they will be pushed when they come.
    pub(super) fn overdue(&mut self, now: Instant) -> Vec<String> {
        let late =
            |entry: &mut Entry| matches!(entry.state, State::Granted(since, _) if since + OWN_EVENT <= now);
        let answer = |entry: Entry| match entry.state {
            State::Granted(_, answer) => Some(answer),
            State::Working | State::Answered => None,
        };
        self.entries.extract_if(.., late).filter_map(answer).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer() -> String {
        "answer".to_owned()
    }

    #[test]
    fn the_event_is_the_answer_whichever_comes_first() {
        let mut owed = Owed::default();
        let (first, second) = (owed.begin(7), owed.begin(7));
        assert_eq!(owed.event(first), Some(7));
        assert_eq!(owed.event(first), None, "once");
        assert_eq!(owed.worked(first, answer(), true), None);
        assert_eq!(owed.worked(second, answer(), true), None);
        assert_eq!(owed.event(second), Some(7));
        assert_eq!(owed.due(), None);
        assert!(owed.entries.is_empty());
    }

    #[test]
    fn a_frame_whose_event_came_is_not_refused_after_it() {
        let mut owed = Owed::default();
        let number = owed.begin(1);
        assert_eq!(owed.event(number), Some(1));
        assert_eq!(owed.worked(number, answer(), false), None, "its reply was lost, what it did was not");
        assert!(owed.entries.is_empty());
    }

    #[test]
    fn without_an_event_the_answer_is_due_at_once_or_after_a_while() {
        let mut owed = Owed::default();
        let (plain, late) = (owed.begin(1), owed.begin(2));
        assert_eq!(owed.worked(plain, answer(), false), Some(answer()));
        assert_eq!(owed.worked(late, answer(), true), None);
        let due = owed.due().unwrap_or_else(Instant::now);
        assert_eq!(owed.overdue(due - Duration::from_millis(1)), Vec::<String>::new());
        assert_eq!(owed.overdue(due), [answer()]);
        assert_eq!(owed.due(), None);
        assert_eq!(owed.event(late), None, "it will be a push");
        assert_eq!(owed.event(99), None);
    }
}
