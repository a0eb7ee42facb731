//! What is measured.

use std::time::Duration;

use clap::ValueEnum;

/// One way to use Angarium.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum Scenario {
    /// One webhook per event; published on gRPC streams, as fast as they are taken
    Single,
    /// The same over HTTP: one event a request, on connections that are kept
    SingleHttp,
    /// 500 events a second, whatever the answers: the latency of a system that is not full
    #[value(name = "paced500")]
    Paced500,
    /// Ten webhooks per event
    #[value(name = "fanout10")]
    Fanout10,
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
    pub(crate) const ALL: [Self; 4] = [Self::Single, Self::SingleHttp, Self::Paced500, Self::Fanout10];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::SingleHttp => "single_http",
            Self::Paced500 => "paced500",
            Self::Fanout10 => "fanout10",
        }
    }

    pub(crate) const fn way(self) -> Way {
        match self {
            Self::Single | Self::Paced500 | Self::Fanout10 => Way::Stream,
            Self::SingleHttp => Way::Http,
        }
    }

    /// The time between two events; `None`: as fast as they are taken.
    pub(crate) const fn period(self) -> Option<Duration> {
        match self {
            Self::Paced500 => Some(Duration::from_millis(2)),
            Self::Single | Self::SingleHttp | Self::Fanout10 => None,
        }
    }

    /// A run takes some seconds on two cores.
    pub(crate) const fn size(self) -> Size {
        match self {
            Self::Single => Size {
                events: 60_000,
                accounts: 64,
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
            Self::Single | Self::SingleHttp => Size {
                events: 1_000,
                accounts: 8,
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
