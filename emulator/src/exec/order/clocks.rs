//! Who has seen what: the happens-before order of a cluster's warps and of the work they set going.
//!
//! Every warp and every asynchronous engine that works for it is an *agent* with a clock of its own. What an agent
//! does is stamped with its clock; a *view* is the clock of every agent as far as it is known, so an access is
//! ordered after another exactly when the view of who makes it has reached the other's stamp. Barriers of all kinds
//! collect the views of those who arrive and hand them to those who wait. Asynchronous work has stamps that nobody
//! has seen until somebody waits for it, which is what makes a forgotten wait visible whenever the work happens to
//! be done.
//!
//! A relaxed access orders nothing by itself, but between two fences it does (PTX ISA §8.8): a fence before a relaxed
//! write *publishes* what the warp knew then, and what a relaxed read has *heard* is known after the next fence.
//!
//! A view has two halves. `seen` is for ordinary accesses. `fenced` is what is known to be visible to the async
//! proxy as well, which takes a `fence.proxy.async` on the way (PTX ISA §8.5, proxy-preserved causality order).

/// Number of an agent in a cluster.
pub(crate) type Agent = u32;

/// What a warp has working for it, itself included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Engine {
    /// Its own instructions.
    Itself,
    /// `cp.async`
    Copies,
    /// `wgmma`
    Products,
    /// Bulk copies that complete a bulk group.
    Groups,
}

const ENGINES: u32 = 4;

/// The clock of a warp that has begun and done nothing yet.
const STARTED: u64 = 1;

/// Agent number of a warp's engine; mbarriers come after those of all warps.
pub(crate) fn agent(warp: u32, engine: Engine) -> Agent {
    warp * ENGINES + engine as u32
}

/// What one agent knows of the others.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    seen: Vec<u64>,
    fenced: Vec<u64>,
}

fn join(into: &mut Vec<u64>, other: &[u64]) {
    if into.len() < other.len() {
        into.resize(other.len(), 0);
    }
    for (a, b) in into.iter_mut().zip(other) {
        *a = (*a).max(*b);
    }
}

fn raise(clocks: &mut Vec<u64>, agent: Agent, clock: u64) {
    let index = agent as usize;
    if clocks.len() <= index {
        clocks.resize(index + 1, 0);
    }
    clocks[index] = clocks[index].max(clock);
}

impl View {
    /// Learns what another view knows.
    pub fn join(&mut self, other: &View) {
        join(&mut self.seen, &other.seen);
        join(&mut self.fenced, &other.fenced);
    }

    /// Whether what this agent did at this clock is known.
    #[inline]
    pub fn has_seen(&self, agent: Agent, clock: u64) -> bool {
        self.seen.get(agent as usize).is_some_and(|c| *c >= clock)
    }

    /// Whether what this agent did at this clock is known to the async proxy.
    #[inline]
    pub fn has_fenced(&self, agent: Agent, clock: u64) -> bool {
        self.fenced.get(agent as usize).is_some_and(|c| *c >= clock)
    }

    /// The clock of an agent as far as it is known.
    pub fn known(&self, agent: Agent) -> u64 {
        self.seen.get(agent as usize).copied().unwrap_or(0)
    }

    /// Learns that copies of lanes (`cp.async`) up to this clock have landed: ordinary writes.
    pub fn land(&mut self, agent: Agent, clock: u64) {
        raise(&mut self.seen, agent, clock);
    }

    /// Learns that an agent's work up to this clock is complete. The engines work through the async proxy: no fence is needed.
    pub fn complete(&mut self, agent: Agent, clock: u64) {
        raise(&mut self.seen, agent, clock);
        raise(&mut self.fenced, agent, clock);
    }
}

/// The views of a cluster's warps.
pub(crate) struct Order {
    views: Vec<View>,
    /// What each warp knew at its last fence.
    published: Vec<View>,
    /// What each warp will know at its next one; nothing if empty.
    heard: Vec<View>,
    agents: u32,
}

impl Order {
    /// Which phases of mbarriers this warp knows to be over.
    pub fn phases(&self, warp: u32) -> View {
        let first = self.views.len() * ENGINES as usize;
        let mut seen = self.views[warp as usize].seen.clone();
        seen.iter_mut().take(first).for_each(|clock| *clock = 0);
        View { seen, fenced: Vec::new() }
    }

    pub fn new(warps: u32) -> Order {
        let views = (0..warps)
            .map(|w| {
                let mut view = View::default();
                raise(&mut view.seen, agent(w, Engine::Itself), STARTED + 1);
                view
            })
            .collect();
        let none = vec![View::default(); warps as usize];
        Order { views, published: none.clone(), heard: none, agents: warps * ENGINES }
    }

    /// A new agent, for an mbarrier.
    pub fn hire(&mut self) -> Agent {
        self.agents += 1;
        self.agents - 1
    }

    pub fn view(&self, warp: u32) -> &View {
        &self.views[warp as usize]
    }

    pub fn view_mut(&mut self, warp: u32) -> &mut View {
        &mut self.views[warp as usize]
    }

    /// The clock that a warp's own accesses are stamped with now.
    pub fn clock(&self, warp: u32) -> u64 {
        self.views[warp as usize].seen[agent(warp, Engine::Itself) as usize]
    }

    fn tick(&mut self, warp: u32) {
        self.views[warp as usize].seen[agent(warp, Engine::Itself) as usize] += 1;
    }

    /// A warp lets others know what it did so far.
    pub fn release(&mut self, warp: u32, into: &mut View) {
        into.join(&self.views[warp as usize]);
        self.tick(warp);
    }

    /// A warp learns what others released.
    pub fn acquire(&mut self, warp: u32, from: &View) {
        self.views[warp as usize].join(from);
    }

    /// A warp lets others know what it did so far, or, if what it does is relaxed, what it did before its last fence.
    pub fn tell(&mut self, warp: u32, into: &mut View, releases: bool) {
        match releases {
            true => self.release(warp, into),
            false => into.join(&self.published[warp as usize]),
        }
    }

    /// A warp learns what others let it know: at once, or, if what it does is relaxed, at its next fence.
    pub fn hear(&mut self, warp: u32, from: &View, acquires: bool) {
        match acquires {
            true => self.acquire(warp, from),
            false => self.heard[warp as usize].join(from),
        }
    }

    /// A warp lets others know that it has begun.
    pub fn tell_start(&self, warp: u32, into: &mut View) {
        raise(&mut into.seen, agent(warp, Engine::Itself), STARTED);
    }

    /// Whether a warp knows that one of these has begun.
    pub fn knows_start(&self, warp: u32, mut of: std::ops::Range<u32>) -> bool {
        of.any(|other| self.views[warp as usize].known(agent(other, Engine::Itself)) >= STARTED)
    }

    /// Whether a relaxed write of this warp would tell anything.
    pub fn has_published(&self, warp: u32) -> bool {
        !self.published[warp as usize].seen.is_empty()
    }

    /// `fence`, `membar`: true if there was something to learn.
    pub fn fence(&mut self, warp: u32) -> bool {
        let (view, heard) = (&mut self.views[warp as usize], &mut self.heard[warp as usize]);
        let learns = !heard.seen.is_empty();
        if learns {
            view.join(heard);
            heard.seen.clear();
            heard.fenced.clear();
        }
        self.published[warp as usize].join(view);
        self.tick(warp);
        learns
    }

    /// `fence.proxy.async`: all that this warp knows of is visible to the async proxy.
    pub fn fence_proxy(&mut self, warp: u32) {
        let view = &mut self.views[warp as usize];
        let View { seen, fenced } = view;
        join(fenced, seen);
        self.tick(warp);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_released_is_seen_and_what_comes_later_is_not() {
        let mut order = Order::new(2);
        let me = agent(0, Engine::Itself);
        let first = order.clock(0);
        let mut barrier = View::default();
        order.release(0, &mut barrier);
        let second = order.clock(0);
        order.acquire(1, &barrier);
        assert!(order.view(1).has_seen(me, first));
        assert!(!order.view(1).has_seen(me, second));
        assert!(!order.view(1).has_fenced(me, first));
    }

    #[test]
    fn a_fence_on_either_side_of_the_barrier_counts_and_covers_only_what_came_before() {
        for writer_fences in [true, false] {
            let mut order = Order::new(2);
            let me = agent(0, Engine::Itself);
            let before = order.clock(0);
            if writer_fences {
                order.fence_proxy(0);
            }
            let after = order.clock(0);
            let mut barrier = View::default();
            order.release(0, &mut barrier);
            order.acquire(1, &barrier);
            if !writer_fences {
                order.fence_proxy(1);
            }
            assert!(order.view(1).has_fenced(me, before));
            assert_eq!(order.view(1).has_fenced(me, after), !writer_fences);
        }
    }

    #[test]
    fn a_relaxed_access_orders_between_two_fences() {
        for (before, after) in [(true, true), (true, false), (false, true), (false, false)] {
            let mut order = Order::new(2);
            let me = agent(0, Engine::Itself);
            let data = order.clock(0);
            if before {
                order.fence(0);
            }
            let late = order.clock(0);
            let mut flag = View::default();
            order.tell(0, &mut flag, false);
            order.hear(1, &flag, false);
            assert!(!order.view(1).has_seen(me, data));
            if after {
                order.fence(1);
            }
            assert_eq!(order.view(1).has_seen(me, data), before && after);
            assert_eq!(order.view(1).has_seen(me, late), late == data && before && after);
        }
    }
}
