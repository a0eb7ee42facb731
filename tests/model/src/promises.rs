//! What every state must lead to: whoever dies now, whoever loads next gets there.

use crate::Protocol;
use crate::bits::Bits;
use crate::log::{Order, Ordered};
use crate::owner::Phase;
use crate::protocol::State;
use crate::rules::Rule;
use crate::takeover::{Found, Loaded};
use crate::webhook::{Context, Webhook};
use crate::world::World;

/// What one webhook is led to, by an owner's memory or by what a new owner would find.
struct Led {
    /// What is parked, by events.
    parked: Bits,
    /// What is parked in the order's generation or later.
    parked_since: Bits,
    stream: Bits,
    /// The order is still to be met, or was met and waits.
    order_waits: bool,
    has_taken: bool,
}

impl Protocol {
    /// Whether each webhook is led to everything that it is owed and has not received.
    pub(crate) fn loses_nothing(&self, state: &State) -> bool {
        self.all_led(state, |id, led| {
            let received = state.world.receivers[usize::from(id)].received();
            let led_to = led.parked.union(led.stream);
            state.world.log.owed(id).is_subset_of(received.union(led_to))
        })
    }

    /// Whether each webhook is led to everything that the last order asks for and that it has not received since.
    pub(crate) fn sends_again(&self, state: &State) -> bool {
        let world = &state.world;
        self.all_led(state, |id, led| {
            let Some(order) = world.asks_for(id) else {
                return true;
            };
            let led_to = led.parked_since.union(led.stream);
            led.order_waits
                || (led.has_taken
                    && world
                        .log
                        .asked(order)
                        .is_subset_of(world.received_since(order).union(led_to)))
        })
    }

    /// Whether something is so of each webhook by the owner's memory, and by `cursors` with Redis and without.
    fn all_led(&self, state: &State, is_so: impl Fn(u8, Led) -> bool) -> bool {
        let (world, owner) = (&state.world, &state.owner);
        let found = Found::read(&world.cursors, self);
        let redis = [Some(&world.redis.entries), None];
        let next = redis.map(|redis| Loaded::from(&found, redis, self));
        let view = if self.bounds.stale_owner {
            0
        } else {
            world.revision
        };
        let loaded = Context {
            log: &world.log,
            view,
            protocol: self,
        };
        let is_acting = match owner.phase {
            Phase::Acting => true,
            Phase::Asserting => !self.keeps(Rule::CompleteBeforeActing),
            Phase::Claimed | Phase::Found(_) => false,
        };
        (0..).take(self.bounds.webhooks).all(|id| {
            let index = usize::from(id);
            let next = next.iter().map(|l| (&l.webhooks[index], l.p, l.filter, loaded));
            let acting = (
                &owner.webhooks[index],
                owner.read_to,
                owner.filter,
                owner.context(world, self),
            );
            next.chain(is_acting.then_some(acting))
                .all(|(webhook, read_to, filter, context)| {
                    is_so(id, Led::by(webhook, read_to, filter, context))
                })
        })
    }
}

impl Led {
    fn by(webhook: &Webhook, read_to: u8, filter: u8, context: Context<'_>) -> Self {
        let (parked, stream) = webhook.leads_to(read_to, filter, context);
        let order = context.log.last_order(webhook.id).map_or(0, |order| order.at);
        let since = webhook.parked.offsets(|what| what.generation >= order);
        Self {
            parked,
            parked_since: context.log.sources(since),
            stream,
            order_waits: webhook.generation < order
                && (read_to <= order || webhook.order.is_some_and(|waits| waits.at == order)),
            has_taken: webhook.generation >= order,
        }
    }
}

impl World {
    /// The last order for a webhook, if it is to send something.
    fn asks_for(&self, webhook: u8) -> Option<Order> {
        let order = self.log.last_order(webhook)?;
        matches!(order.what, Ordered::Replay { .. }).then_some(order)
    }

    fn received_since(&self, order: Order) -> Bits {
        let receiver = &self.receivers[usize::from(order.webhook)];
        receiver.received_since(order.webhook, order.at, &self.log)
    }

    /// Whether a webhook has received all that it is owed, also what was ordered.
    pub(crate) fn has_all(&self, webhook: u8) -> bool {
        let received = self.receivers[usize::from(webhook)].received();
        let asked = self.asks_for(webhook);
        self.log.owed(webhook).is_subset_of(received)
            && asked.is_none_or(|order| self.log.asked(order).is_subset_of(self.received_since(order)))
    }
}
