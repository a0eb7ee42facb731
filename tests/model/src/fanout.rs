//! Fanout: gapless and repeating, and sometimes frozen while another goes on.

use crate::Protocol;
use crate::log::{Log, Record};
use crate::rules::Rule;

/// One process of fanout on the partition of `events`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Process {
    /// The last event that it has dealt with.
    position: u8,
    /// What it knows of the registry.
    view: u8,
}

/// The owner of the partition of `events`, and perhaps one that was frozen.
///
/// The broker refuses the commits of a member that was put out of its group, so a frozen one produces and no more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Fanout {
    owner: Process,
    frozen: Option<Process>,
    committed: u8,
}

/// What fanout does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Writes the record of the next event.
    Produce,
    /// Commits behind the reports of all that it has produced.
    Commit,
    /// Goes over to the newest view.
    Learn,
    /// Ends; the next one starts from the commit.
    Restart,
    /// The report of the next event fails, the one after it being under way; it starts over from the commit.
    FailReport,
    /// Freezes; another starts from the commit with the newest view.
    Freeze,
    /// The frozen one thaws and writes the record of its next event.
    ProduceLate,
    /// The frozen one, thawed, goes over to the newest view: a mistake.
    LearnLate,
}

impl Process {
    fn produce(&mut self, log: &mut Log, late: bool, protocol: &Protocol) {
        self.position += 1;
        let webhooks = protocol.bounds.wanted(self.position, self.view);
        if !webhooks.is_empty() {
            log.append_event(Record {
                source: self.position,
                webhooks,
                revision: self.view,
                late,
            });
        }
    }

    fn is_done(self, protocol: &Protocol) -> bool {
        self.position == protocol.bounds.events()
    }
}

impl Fanout {
    pub(crate) fn is_done(&self, protocol: &Protocol) -> bool {
        self.owner.is_done(protocol)
    }

    pub(crate) fn can(&self, step: Step, newest_view: u8, log: &Log, protocol: &Protocol) -> bool {
        let restarts = protocol.bounds.faults.fanout_restarts
            + protocol.bounds.faults.failed_reports
            + protocol.bounds.faults.fanout_freezes;
        match step {
            Step::Produce => !self.owner.is_done(protocol) && log.has_room(),
            // Without a restart or a new view to come nobody asks for the commit.
            Step::Commit => (restarts > 0 || newest_view > 0) && self.committed < self.owner.position,
            Step::Learn => {
                let committed = self.committed == self.owner.position;
                self.owner.view < newest_view && (committed || !protocol.keeps(Rule::ViewBehindCommit))
            }
            Step::Restart => self.committed < self.owner.position,
            Step::FailReport => self.owner.position + 1 < protocol.bounds.events() && log.has_room(),
            Step::Freeze => self.frozen.is_none(),
            Step::LearnLate => {
                !protocol.keeps(Rule::FrozenKeepsView) && self.frozen.is_some_and(|f| f.view < newest_view)
            }
            Step::ProduceLate => {
                self.frozen.is_some_and(|frozen| !frozen.is_done(protocol)) && log.has_room()
            }
        }
    }

    pub(crate) fn take(&mut self, step: Step, newest_view: u8, log: &mut Log, protocol: &Protocol) {
        match step {
            Step::Produce => self.owner.produce(log, false, protocol),
            Step::Commit => self.committed = self.owner.position,
            Step::Learn => self.owner.view = newest_view,
            Step::Restart => self.owner.position = self.committed,
            Step::FailReport => {
                if !protocol.keeps(Rule::GaplessFanout) {
                    self.owner.position += 1;
                    self.owner.produce(log, false, protocol);
                }
                self.owner.position = self.committed;
            }
            Step::Freeze => {
                self.frozen = Some(self.owner);
                self.owner = Process {
                    position: self.committed,
                    view: newest_view,
                };
            }
            Step::LearnLate => {
                if let Some(frozen) = &mut self.frozen {
                    frozen.view = newest_view;
                }
            }
            Step::ProduceLate => {
                if let Some(frozen) = &mut self.frozen {
                    frozen.produce(log, true, protocol);
                }
            }
        }
    }
}
