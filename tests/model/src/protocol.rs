//! The model: every state that the parts can reach together, and what must hold in each.

use stateright::{Model, Property};

use crate::bounds::{Bounds, Lane, Zombie};
use crate::fanout;
use crate::log::Ordered;
use crate::owner::{Act, Owner, Who};
use crate::rules::Rule;
use crate::world::{Breach, World};

/// What must hold.
pub mod property {
    /// Every event that is owed was received, or is led to by the owner's memory, and by `cursors` with Redis and
    /// without.
    pub const NO_LOSS: &str = "nothing is lost";
    /// Every event that the last order asks for was received since it was taken, or is led to, as above.
    pub const REPLAY: &str = "what is ordered is sent again";
    /// First receipts come in order, per webhook and order.
    pub const ORDER: &str = "first receipts in order";
    /// No owner repeats what a surviving fact says is done.
    pub const NO_REPEAT: &str = "no repeat below a fact";
    /// A recorded head is retried as the same group.
    pub const HEAD: &str = "a recorded head is retried whole";
    /// A slot sends nothing above its end.
    pub const SLOT: &str = "a slot ends where it said";
}

/// The protocol within some bounds, perhaps without one of its rules.
#[derive(Clone, Copy, Debug)]
pub struct Protocol {
    /// What is explored.
    pub bounds: Bounds,
    /// The rule that is left out.
    pub broken: Option<Rule>,
}

/// Everything at one instant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    pub(crate) world: World,
    pub(crate) owner: Owner,
    pub(crate) zombie: Option<Owner>,
}

/// What happens next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Fanout does something.
    Fanout(fanout::Step),
    /// The registry goes to its next revision.
    ChangeWebhook,
    /// Someone orders something of the first webhook.
    Order(Ordered),
    /// The timetable says that the webhook's slot has come.
    SlotDue(u8),
    /// Another claims the partition. The owner was killed, or is a zombie from now on.
    TakeOver {
        /// Whether the owner goes on without knowing.
        zombie: bool,
    },
    /// The owner does something.
    Owner(Act),
    /// The zombie does something.
    Zombie(Act),
    /// The zombie ends.
    ZombieEnds,
    /// Redis loses everything.
    WipeRedis,
    /// Redis loses its last write.
    RollBackRedis,
}

impl Protocol {
    /// The whole protocol.
    #[must_use]
    pub fn within(bounds: Bounds) -> Self {
        Self { bounds, broken: None }
    }

    /// The protocol without a rule.
    #[must_use]
    pub fn without(rule: Rule, bounds: Bounds) -> Self {
        Self {
            bounds,
            broken: Some(rule),
        }
    }

    pub(crate) fn keeps(&self, rule: Rule) -> bool {
        self.broken != Some(rule)
    }

    /// Whether a state is the end that must stay reachable: everything published, sent and on record.
    pub(crate) fn is_done(&self, state: &State) -> bool {
        state.world.fanout.is_done(self) && state.owner.is_done(&state.world, self)
    }

    fn world_steps(&self, state: &State, steps: &mut Vec<Step>) {
        let world = &state.world;
        let left = &world.left;
        let fanout = [
            (fanout::Step::Produce, true),
            (fanout::Step::Commit, true),
            (fanout::Step::Learn, true),
            (fanout::Step::Restart, left.fanout_restarts > 0),
            (fanout::Step::FailReport, left.failed_reports > 0),
            (fanout::Step::Freeze, left.fanout_freezes > 0),
            (fanout::Step::ProduceLate, true),
            (fanout::Step::LearnLate, true),
        ];
        for (step, allowed) in fanout {
            if allowed && world.fanout.can(step, world.revision, &world.log, self) {
                steps.push(Step::Fanout(step));
            }
        }
        let mut faults = [
            (left.redis_wipes, Step::WipeRedis),
            (left.redis_rollbacks, Step::RollBackRedis),
            (left.takeovers, Step::TakeOver { zombie: false }),
            (left.takeovers, Step::TakeOver { zombie: true }),
        ];
        if self.bounds.zombie == Zombie::Dead || state.zombie.is_some() {
            faults[3].0 = 0;
        }
        steps.extend(faults.iter().filter(|(left, _)| *left > 0).map(|(_, step)| *step));
        steps.extend(world.orders().map(Step::Order));
        if world.revision < self.bounds.last_revision() {
            steps.push(Step::ChangeWebhook);
        }
        if self.bounds.lane == Lane::Batch {
            let webhooks = (0..).take(self.bounds.webhooks);
            steps.extend(webhooks.filter(|id| !world.due.contains(*id)).map(Step::SlotDue));
        }
    }

    fn take(&self, state: &mut State, step: Step) {
        let State { world, owner, zombie } = state;
        match step {
            Step::Fanout(step) => {
                match step {
                    fanout::Step::Restart => world.left.fanout_restarts -= 1,
                    fanout::Step::FailReport => world.left.failed_reports -= 1,
                    fanout::Step::Freeze => world.left.fanout_freezes -= 1,
                    _ => {}
                }
                world.fanout.take(step, world.revision, &mut world.log, self);
            }
            Step::ChangeWebhook => world.revision += 1,
            Step::Order(what) => world.order(what),
            Step::SlotDue(id) => world.due.insert(id),
            Step::TakeOver { zombie: stays } => {
                world.left.takeovers -= 1;
                let next = Owner::claim(owner.epoch + 1, self);
                let old = std::mem::replace(owner, next);
                if stays {
                    *zombie = Some(old);
                }
            }
            Step::Owner(act) => {
                // Nobody has a higher epoch than the owner.
                let superseded = owner.act(act, Who::Owner, world, self).is_err();
                debug_assert!(!superseded, "the owner has the highest epoch");
            }
            Step::Zombie(act) => {
                if let Some(acting) = zombie
                    && acting.act(act, Who::Zombie, world, self).is_err()
                {
                    *zombie = None;
                }
            }
            Step::ZombieEnds => *zombie = None,
            Step::WipeRedis => {
                world.left.redis_wipes -= 1;
                world.wipe_redis();
            }
            Step::RollBackRedis => {
                world.left.redis_rollbacks -= 1;
                world.roll_back_redis();
            }
        }
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            world: World::new(self),
            owner: Owner::first(self),
            zombie: None,
        }]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        if state.world.breach.is_some() {
            return;
        }
        self.world_steps(state, steps);
        let mut acts = Vec::new();
        state.owner.acts(Who::Owner, &state.world, self, &mut acts);
        steps.extend(acts.drain(..).map(Step::Owner));
        if let Some(zombie) = &state.zombie {
            zombie.acts(Who::Zombie, &state.world, self, &mut acts);
            steps.extend(acts.drain(..).map(Step::Zombie));
            steps.push(Step::ZombieEnds);
        }
    }

    fn next_state(&self, state: &State, step: Step) -> Option<State> {
        let mut next = state.clone();
        self.take(&mut next, step);
        (next != *state).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        fn kept(state: &State, breach: Breach) -> bool {
            state.world.breach != Some(breach)
        }
        vec![
            Property::always(property::NO_LOSS, |model: &Self, state| {
                model.loses_nothing(state)
            }),
            Property::always(property::REPLAY, |model: &Self, state| model.sends_again(state)),
            Property::always(property::ORDER, |_, state| kept(state, Breach::OutOfOrder)),
            Property::always(property::NO_REPEAT, |_, state| kept(state, Breach::Repeated)),
            Property::always(property::HEAD, |_, state| kept(state, Breach::HeadChanged)),
            Property::always(property::SLOT, |_, state| kept(state, Breach::AboveSlotEnd)),
        ]
    }
}
