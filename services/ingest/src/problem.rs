//! What is wrong with a request, told so that its sender can mend it: every mistake, where it is, and every event
//! that has one.
//!
//! The same problems are answered over HTTP, with JSON pointers, and over gRPC, with field paths.

use std::collections::BTreeSet;

/// The most problems of one answer; the rest is counted, and its events are named.
pub(crate) const MAX_LISTED: usize = 100;

/// A field of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    EventId,
    EventName,
    Timestamp,
    EventInfo,
    Data,
}

impl Field {
    pub(crate) const ALL: [Self; 5] = [
        Self::EventId,
        Self::EventName,
        Self::Timestamp,
        Self::EventInfo,
        Self::Data,
    ];

    /// As the envelope of E4 names it.
    pub(crate) const fn json(self) -> &'static str {
        match self {
            Self::EventId => "eventId",
            Self::EventName => "eventName",
            Self::Timestamp => "timestamp",
            Self::EventInfo => "eventInfo",
            Self::Data => "data",
        }
    }

    /// As the .proto files name it.
    const fn proto(self) -> &'static str {
        match self {
            Self::EventId => "event_id",
            Self::EventName => "event_name",
            Self::Timestamp => "timestamp",
            Self::EventInfo => "event_info",
            Self::Data => "data",
        }
    }
}

/// The part of a request that a problem is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// All of it.
    Whole,
    /// A field beside the events.
    Outer(String),
    /// An event, counted from 0.
    Event(usize),
    /// A field of an event.
    Field(usize, Field),
    /// A place in the payload of an event: a JSON pointer.
    Inside(usize, String),
    /// A field of an event that no event has.
    Unknown(usize, String),
}

impl Part {
    pub(crate) const fn event(&self) -> Option<usize> {
        match self {
            Self::Event(event) | Self::Field(event, _) | Self::Inside(event, _) | Self::Unknown(event, _) => {
                Some(*event)
            }
            Self::Whole | Self::Outer(_) => None,
        }
    }
}

/// How a request holds its events, and so how a part of it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// The body is one event.
    Single,
    /// The body is an array of events.
    Array,
    /// The body is an envelope (E4).
    Envelope,
    /// Each line is an event; the number of each one's line, from 1.
    Lines(Vec<usize>),
    /// A gRPC message with a list of events.
    Message,
    /// A gRPC message with one event.
    StreamMessage,
}

impl Shape {
    /// The part as a JSON pointer (RFC 6901), or as a field path for gRPC.
    pub(crate) fn path(&self, part: &Part) -> String {
        let mut path = match (self, part.event()) {
            (_, None) | (Self::Single, _) => String::new(),
            (Self::Array | Self::Lines(_), Some(event)) => format!("/{event}"),
            (Self::Envelope, Some(event)) => format!("/events/{event}"),
            (Self::Message, Some(event)) => format!("events[{event}]"),
            (Self::StreamMessage, Some(_)) => "event".to_owned(),
        };
        let grpc = matches!(self, Self::Message | Self::StreamMessage);
        match part {
            Part::Whole | Part::Event(_) => {}
            Part::Field(_, field) if grpc => {
                path.push('.');
                path.push_str(field.proto());
            }
            Part::Field(_, field) => {
                path.push('/');
                path.push_str(field.json());
            }
            Part::Inside(_, pointer) if grpc => {
                path.push('.');
                path.push_str(Field::Data.proto());
                path.push_str(pointer);
            }
            Part::Inside(_, pointer) => {
                path.push('/');
                path.push_str(Field::Data.json());
                path.push_str(pointer);
            }
            Part::Outer(name) if grpc => path.push_str(name),
            Part::Unknown(_, name) | Part::Outer(name) => {
                path.push('/');
                path.push_str(&name.replace('~', "~0").replace('/', "~1"));
            }
        }
        path
    }

    /// The number of the event's line, where lines are what counts.
    pub(crate) fn line(&self, part: &Part) -> Option<usize> {
        match self {
            Self::Lines(lines) => part.event().and_then(|event| lines.get(event)).copied(),
            _ => None,
        }
    }
}

/// A place in a text. Columns count characters; both begin with 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) line: usize,
    pub(crate) column: usize,
    /// The line itself; of a long one, the piece around the place.
    pub(crate) text: String,
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) part: Part,
    pub(crate) place: Option<Place>,
    /// What is wrong and what to do.
    pub(crate) detail: String,
}

impl Problem {
    pub(crate) fn new(part: Part, detail: impl Into<String>) -> Self {
        Self {
            part,
            place: None,
            detail: detail.into(),
        }
    }
}

/// What kind of mistakes a request has; of several kinds, the last named here decides the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A field is missing, wrong, or not known.
    Fields,
    /// An event, or their number, is beyond a limit.
    TooLarge,
    /// The body is no JSON.
    Syntax,
}

/// What is odd about a request that is accepted all the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Warnings {
    /// The first [`MAX_LISTED`].
    pub(crate) listed: Vec<Problem>,
    /// How many there are.
    pub(crate) total: usize,
}

/// Every mistake of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problems {
    pub(crate) kind: Kind,
    pub(crate) shape: Shape,
    /// The first [`MAX_LISTED`].
    pub(crate) listed: Vec<Problem>,
    /// How many there are.
    pub(crate) total: usize,
    /// Every event that has one: at most as many as a request may hold.
    bad: BTreeSet<usize>,
    /// What is no mistake: told if there is none.
    pub(crate) warnings: Warnings,
}

impl Problems {
    pub(crate) fn none(shape: Shape) -> Self {
        Self {
            kind: Kind::Fields,
            shape,
            listed: Vec::new(),
            total: 0,
            bad: BTreeSet::new(),
            warnings: Warnings::default(),
        }
    }

    pub(crate) fn one(kind: Kind, shape: Shape, problem: Problem) -> Self {
        let mut problems = Self::none(shape);
        problems.add(kind, problem);
        problems
    }

    pub(crate) fn add(&mut self, kind: Kind, problem: Problem) {
        self.add_with(kind, problem.part.event(), || problem);
    }

    /// Counts a problem of the event, and has it made only if it is listed: to find its place or the word that was
    /// meant takes time, and there may be as many as a body has bytes.
    pub(crate) fn add_with(&mut self, kind: Kind, event: Option<usize>, problem: impl FnOnce() -> Problem) {
        self.kind = self.kind.max(kind);
        self.total += 1;
        self.bad.extend(event);
        if self.listed.len() < MAX_LISTED {
            self.listed.push(problem());
        }
    }

    /// Counts what is odd, and has it made only if it is listed.
    pub(crate) fn warn_with(&mut self, problem: impl FnOnce() -> Problem) {
        self.warnings.total += 1;
        if self.warnings.listed.len() < MAX_LISTED {
            self.warnings.listed.push(problem());
        }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// The index of every event that is wrong, whether its problems are listed or not. None where there is one event.
    pub(crate) fn bad_events(&self) -> impl Iterator<Item = usize> {
        let one = matches!(self.shape, Shape::Single | Shape::StreamMessage);
        self.bad.iter().copied().filter(move |_| !one)
    }

    /// The first problem in one sentence, and how many more there are.
    pub(crate) fn summary(&self) -> String {
        let Some(first) = self.listed.first() else {
            return String::new();
        };
        let mut summary = String::new();
        let path = self.shape.path(&first.part);
        if let Some(place) = &first.place {
            summary = format!("line {}, column {}: ", place.line, place.column);
        } else if let Some(line) = self.shape.line(&first.part) {
            summary = format!("line {line}, {path}: ");
        } else if !path.is_empty() {
            summary = format!("{path}: ");
        }
        summary.push_str(&first.detail);
        if let Some(place) = &first.place {
            summary.push_str(". The line reads: ");
            summary.push_str(place.text.trim());
        }
        match self.total {
            0 | 1 => {}
            2 => summary.push_str(" (and 1 more problem)"),
            more => summary.push_str(&format!(" (and {} more problems)", more - 1)),
        }
        summary
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_named_as_the_sender_wrote_it() {
        let timestamp = Part::Field(3, Field::Timestamp);
        assert_eq!(
            Shape::Single.path(&Part::Field(0, Field::EventName)),
            "/eventName"
        );
        assert_eq!(Shape::Array.path(&timestamp), "/3/timestamp");
        assert_eq!(Shape::Envelope.path(&timestamp), "/events/3/timestamp");
        assert_eq!(Shape::Message.path(&timestamp), "events[3].timestamp");
        assert_eq!(
            Shape::StreamMessage.path(&Part::Field(0, Field::EventId)),
            "event.event_id"
        );
        assert_eq!(
            Shape::Array.path(&Part::Unknown(0, "a/b~c".to_owned())),
            "/0/a~1b~0c"
        );
        assert_eq!(
            Shape::Envelope.path(&Part::Outer("accountId".to_owned())),
            "/accountId"
        );
        assert_eq!(
            Shape::Message.path(&Part::Outer("account_id".to_owned())),
            "account_id"
        );
        let lines = Shape::Lines(vec![1, 2, 5, 9]);
        assert_eq!(
            (lines.path(&timestamp), lines.line(&timestamp)),
            ("/3/timestamp".to_owned(), Some(9))
        );
    }

    #[test]
    fn problems_are_all_counted_and_a_bounded_number_is_listed() {
        let mut problems = Problems::none(Shape::Array);
        let mut made = 0;
        for event in 0..1_000 {
            problems.add_with(Kind::Fields, Some(event), || {
                made += 1;
                Problem::new(Part::Event(event), "is wrong")
            });
        }
        assert_eq!((problems.listed.len(), problems.total), (MAX_LISTED, 1_000));
        assert_eq!(made, MAX_LISTED, "what is not listed is not even made");
        assert!(problems.bad_events().eq(0..1_000));
        assert_eq!(problems.summary(), "/0: is wrong (and 999 more problems)");
    }
}
