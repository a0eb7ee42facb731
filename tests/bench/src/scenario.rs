//! What is measured.

use std::time::Duration;

use clap::ValueEnum;

/// One way to use Angarium.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum Scenario {
    /// One webhook per event, one event a POST; published on gRPC streams, as fast as they are taken
    Single,
    /// The same over HTTP: one event a request, on connections that are kept
    SingleHttp,
    /// As single, and what queues up for a webhook goes in one POST
    Grouped,
    /// 500 events a second, whatever the answers: the latency of a system that is not full
    #[value(name = "paced500")]
    Paced500,
    /// Ten webhooks per event
    #[value(name = "fanout10")]
    Fanout10,
    /// As grouped, and one receiver in ten does not answer: the others, beside a run without trouble
    #[value(name = "hanging10")]
    Hanging10,
    /// As grouped, and three receivers in ten answer 500: the others, beside a run without trouble
    #[value(name = "failing30")]
    Failing30,
}

/// Receivers that do not do what they should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// Of ten receivers, how many.
    of_ten: u64,
    pub(crate) kind: TroubleKind,
}

/// What they do instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TroubleKind {
    /// Nothing: they take the call and do not answer.
    Hang,
    /// They answer 500.
    Fail,
}

impl Trouble {
    /// Whether the webhook of this number has such a receiver.
    pub(crate) const fn is_of(self, hook: u64) -> bool {
        hook % 10 < self.of_ten
    }
}

/// How producers publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// `PublishStream`.
    Stream,
    /// One request an event.
    Http,
}

/// How much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Size {
    /// Events of one run.
    pub(crate) events: u64,
    /// Accounts; events go to them in turn.
    pub(crate) accounts: u64,
    /// Webhooks of an account: each of its events goes to all of them.
    pub(crate) fan: u64,
}

impl Size {
    pub(crate) const fn webhooks(self) -> u64 {
        self.accounts * self.fan
    }
}

impl Scenario {
    pub(crate) const ALL: [Self; 7] = [
        Self::Single,
        Self::SingleHttp,
        Self::Grouped,
        Self::Paced500,
        Self::Fanout10,
        Self::Hanging10,
        Self::Failing30,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::SingleHttp => "single_http",
            Self::Paced500 => "paced500",
            Self::Fanout10 => "fanout10",
            Self::Grouped => "grouped",
            Self::Hanging10 => "hanging10",
            Self::Failing30 => "failing30",
        }
    }

    /// The most events that Angarium sends in one POST; the floor always sends one.
    pub(crate) const fn max_group_events(self) -> u32 {
        match self {
            Self::Single | Self::SingleHttp => 1,
            Self::Grouped | Self::Paced500 | Self::Fanout10 | Self::Hanging10 | Self::Failing30 => 100,
        }
    }

    /// The trouble that is measured, if it is: then Angarium without it stands in the place of the floor.
    pub(crate) const fn trouble(self) -> Option<Trouble> {
        match self {
            Self::Hanging10 => Some(Trouble {
                of_ten: 1,
                kind: TroubleKind::Hang,
            }),
            Self::Failing30 => Some(Trouble {
                of_ten: 3,
                kind: TroubleKind::Fail,
            }),
            Self::Single | Self::SingleHttp | Self::Grouped | Self::Paced500 | Self::Fanout10 => None,
        }
    }

    pub(crate) const fn way(self) -> Way {
        match self {
            Self::SingleHttp => Way::Http,
            Self::Single
            | Self::Grouped
            | Self::Paced500
            | Self::Fanout10
            | Self::Hanging10
            | Self::Failing30 => Way::Stream,
        }
    }

    /// The time between two events; `None`: as fast as they are taken.
    pub(crate) const fn period(self) -> Option<Duration> {
        match self {
            Self::Paced500 => Some(Duration::from_millis(2)),
            Self::Single
            | Self::SingleHttp
            | Self::Grouped
            | Self::Fanout10
            | Self::Hanging10
            | Self::Failing30 => None,
        }
    }

    /// A run takes some seconds on two cores.
    pub(crate) const fn size(self) -> Size {
        match self {
            Self::Single => Size {
                events: 60_000,
                accounts: 256,
                fan: 1,
            },
            Self::Grouped => Size {
                events: 60_000,
                accounts: 64,
                fan: 1,
            },
            Self::Hanging10 | Self::Failing30 => Size {
                events: 60_000,
                accounts: 100,
                fan: 1,
            },
            Self::SingleHttp => Size {
                events: 20_000,
                accounts: 256,
                fan: 1,
            },
            Self::Paced500 => Size {
                events: 3_000,
                accounts: 64,
                fan: 1,
            },
            Self::Fanout10 => Size {
                events: 6_000,
                accounts: 10,
                fan: 10,
            },
        }
    }

    pub(crate) const fn quick_size(self) -> Size {
        match self {
            Self::Single | Self::SingleHttp | Self::Grouped | Self::Hanging10 | Self::Failing30 => Size {
                events: 1_000,
                accounts: 10,
                fan: 1,
            },
            Self::Paced500 => Size {
                events: 250,
                accounts: 8,
                fan: 1,
            },
            Self::Fanout10 => Size {
                events: 200,
                accounts: 2,
                fan: 10,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_the_share_that_its_name_says() {
        let share = |scenario: Scenario| {
            let trouble = scenario.trouble().unwrap();
            (0..100).filter(|hook| trouble.is_of(*hook)).count()
        };
        assert_eq!((share(Scenario::Hanging10), share(Scenario::Failing30)), (10, 30));
    }
}
