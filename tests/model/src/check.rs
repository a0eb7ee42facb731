//! Runs the checker and says what it found.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};

use stateright::{Checker, HasDiscoveries, Model};

use crate::protocol::{Protocol, State, Step};

/// What an exhaustive run found.
#[derive(Clone, Debug)]
pub struct Report {
    /// How many states there are.
    pub states: usize,
    /// The properties that do not hold, each with the shortest way there that was met.
    pub broken: Vec<(&'static str, Trace)>,
}

/// The way to a state, and that state.
#[derive(Clone, Debug)]
pub struct Trace {
    steps: Vec<Step>,
    end: State,
}

impl std::fmt::Display for Trace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (number, step) in (1..).zip(&self.steps) {
            writeln!(f, "  {number:>3}. {step:?}")?;
        }
        write!(f, "  end: {:?}", self.end)
    }
}

/// Visits every state within the bounds, or as many as it takes to find a property broken.
#[must_use]
pub fn check(protocol: Protocol, threads: usize) -> Report {
    run(protocol, threads, HasDiscoveries::AnyFailures)
}

/// Searches for a state in which this property does not hold.
#[must_use]
pub fn counterexample(protocol: Protocol, property: &'static str) -> Option<Trace> {
    let report = run(protocol, 1, HasDiscoveries::AllOf(BTreeSet::from([property])));
    let broken = report.broken.into_iter().find(|(name, _)| *name == property);
    broken.map(|(_, trace)| trace)
}

fn run(protocol: Protocol, threads: usize, until: HasDiscoveries) -> Report {
    let checker = protocol
        .checker()
        .threads(threads)
        .finish_when(until)
        .spawn_bfs()
        .join();
    let broken = checker.discoveries().into_iter().map(|(name, path)| {
        let end = path.last_state().clone();
        let steps = path.into_actions();
        (name, Trace { steps, end })
    });
    Report {
        states: checker.unique_state_count(),
        broken: broken.collect(),
    }
}

/// Whether "everything is delivered" stays reachable.
#[derive(Clone, Debug)]
pub struct Stuck {
    /// How many states there are.
    pub states: usize,
    /// From how many of them it is not reachable.
    pub stuck: usize,
    /// One of these.
    pub example: Option<State>,
}

/// Visits every state within the bounds and counts those from which the end cannot be reached.
#[must_use]
pub fn stuck(protocol: &Protocol) -> Stuck {
    let mut graph = Graph::default();
    let mut queue: VecDeque<(u32, State)> = VecDeque::new();
    for state in protocol.init_states() {
        let node = graph.node(&state, protocol).0;
        queue.push_back((node, state));
    }
    while let Some((from, state)) = queue.pop_front() {
        for next in protocol.next_states(&state) {
            let (to, is_new) = graph.node(&next, protocol);
            graph.edges.push((to, from));
            if is_new {
                queue.push_back((to, next));
            }
        }
    }
    let reaching = graph.reaching_done();
    let example = reaching.iter().position(|reaches| !reaches);
    Stuck {
        states: reaching.len(),
        stuck: reaching.iter().filter(|reaches| !**reaches).count(),
        example: example.and_then(|node| find(protocol, node)),
    }
}

/// The states met so far, by number, and who leads to whom.
#[derive(Default)]
struct Graph {
    numbers: HashMap<u64, u32>,
    /// (to, from).
    edges: Vec<(u32, u32)>,
    done: Vec<bool>,
}

impl Graph {
    /// The number of a state, and whether it was not met before.
    fn node(&mut self, state: &State, protocol: &Protocol) -> (u32, bool) {
        let mut hasher = DefaultHasher::new();
        state.hash(&mut hasher);
        let next = u32::try_from(self.done.len()).unwrap_or(u32::MAX);
        let number = *self.numbers.entry(hasher.finish()).or_insert(next);
        if number == next {
            self.done.push(protocol.is_done(state));
        }
        (number, number == next)
    }

    /// For each state, whether a state that is done can be reached.
    fn reaching_done(mut self) -> Vec<bool> {
        self.edges.sort_unstable();
        let mut reaches = self.done;
        let mut queue: Vec<u32> = (0..)
            .zip(&reaches)
            .filter(|(_, done)| **done)
            .map(|(n, _)| n)
            .collect();
        while let Some(to) = queue.pop() {
            let at = self.edges.partition_point(|edge| edge.0 < to);
            for (_, from) in self.edges[at..].iter().take_while(|edge| edge.0 == to) {
                if let Some(known) = reaches.get_mut(*from as usize)
                    && !*known
                {
                    *known = true;
                    queue.push(*from);
                }
            }
        }
        reaches
    }
}

/// The state with this number, met again in the same order.
fn find(protocol: &Protocol, node: usize) -> Option<State> {
    let mut graph = Graph::default();
    let mut queue: VecDeque<State> = protocol.init_states().into();
    queue.iter().for_each(|state| {
        graph.node(state, protocol);
    });
    let mut number = 0;
    while let Some(state) = queue.pop_front() {
        if number == node {
            return Some(state);
        }
        number += 1;
        for next in protocol.next_states(&state) {
            if graph.node(&next, protocol).1 {
                queue.push_back(next);
            }
        }
    }
    None
}
