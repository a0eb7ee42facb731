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
    /// One webhook, whose receiver fails while its events are published: how fast it catches up once it is well
    Catchup,
    /// 10,000 webhooks, of which 1,000 fail and 100 catch up: the memory of delivery
    Many,
}

/// What a receiver does that does not do what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Nothing: it takes the call and does not answer.
    Hang,
    /// It answers 500.
    Fail,
    /// It answers 500 until all events of the run are published.
    Recover,
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
    pub(crate) const ALL: [Self; 9] = [
        Self::Single,
        Self::SingleHttp,
        Self::Grouped,
        Self::Paced500,
        Self::Fanout10,
        Self::Hanging10,
        Self::Failing30,
        Self::Catchup,
        Self::Many,
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
            Self::Catchup => "catchup",
            Self::Many => "many",
        }
    }

    /// The most events that Angarium sends in one POST; the floor always sends one.
    pub(crate) const fn max_group_events(self) -> u32 {
        match self {
            Self::Single | Self::SingleHttp => 1,
            Self::Grouped
            | Self::Paced500
            | Self::Fanout10
            | Self::Hanging10
            | Self::Failing30
            | Self::Catchup
            | Self::Many => 100,
        }
    }

    /// The trouble that the receiver of this webhook makes, if it does.
    pub(crate) const fn trouble(self, hook: u64) -> Option<Trouble> {
        match self {
            Self::Hanging10 if hook.is_multiple_of(10) => Some(Trouble::Hang),
            Self::Failing30 if hook % 10 < 3 => Some(Trouble::Fail),
            Self::Catchup => Some(Trouble::Recover),
            Self::Many if hook.is_multiple_of(10) => Some(Trouble::Fail),
            Self::Many if hook % 100 == 1 => Some(Trouble::Recover),
            _ => None,
        }
    }

    /// Whether trouble is measured: then Angarium without it stands in the place of the floor.
    pub(crate) const fn has_trouble(self) -> bool {
        match self {
            Self::Hanging10 | Self::Failing30 | Self::Catchup | Self::Many => true,
            Self::Single | Self::SingleHttp | Self::Grouped | Self::Paced500 | Self::Fanout10 => false,
        }
    }

    /// Whether what is measured begins when receivers recover.
    pub(crate) const fn recovers(self) -> bool {
        matches!(self, Self::Catchup | Self::Many)
    }

    /// Whether figures are of this webhook too: not of one whose receiver takes nothing.
    pub(crate) const fn is_watched(self, hook: u64) -> bool {
        !matches!(self.trouble(hook), Some(Trouble::Hang | Trouble::Fail))
    }

    pub(crate) const fn way(self) -> Way {
        match self {
            Self::SingleHttp => Way::Http,
            Self::Single
            | Self::Grouped
            | Self::Paced500
            | Self::Fanout10
            | Self::Hanging10
            | Self::Failing30
            | Self::Catchup
            | Self::Many => Way::Stream,
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
            | Self::Failing30
            | Self::Catchup
            | Self::Many => None,
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
            // A minute.
            Self::Paced500 => Size {
                events: 30_000,
                accounts: 64,
                fan: 1,
            },
            Self::Fanout10 => Size {
                events: 6_000,
                accounts: 10,
                fan: 10,
            },
            Self::Catchup => Size {
                events: 200_000,
                accounts: 1,
                fan: 1,
            },
            Self::Many => Size {
                events: 5_000,
                accounts: 1_000,
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
            Self::Catchup => Size {
                events: 1_000,
                accounts: 1,
                fan: 1,
            },
            Self::Many => Size {
                events: 200,
                accounts: 20,
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
        let share = |scenario: Scenario, trouble: Trouble| {
            let hooks = 0..scenario.size().webhooks();
            hooks
                .filter(|hook| scenario.trouble(*hook) == Some(trouble))
                .count()
        };
        assert_eq!(share(Scenario::Hanging10, Trouble::Hang), 10);
        assert_eq!(share(Scenario::Failing30, Trouble::Fail), 30);
        assert_eq!(share(Scenario::Many, Trouble::Fail), 1_000);
        assert_eq!(share(Scenario::Many, Trouble::Recover), 100);
        for scenario in Scenario::ALL {
            let any = (0..100).any(|hook| scenario.trouble(hook).is_some());
            assert_eq!(scenario.has_trouble(), any, "{}", scenario.name());
        }
    }
}
