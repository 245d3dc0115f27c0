//! The `mbarrier` instructions, lane by lane.

use crate::address::{Space, resolve};
use crate::exec::memory::access::locate;
use crate::exec::order::{Behalf, Engine, Proxy, Touching, View, agent};
use crate::exec::request::Request;
use crate::exec::state::{Asked, Env, Mbarriers, Sleep, Warp};
use crate::exec::{Result, lanes};
use crate::fault::{FaultKind, Trouble};
use crate::memory::Span;
use crate::program::{Address, Mbarrier, MbarrierKind, Phase, Pred, Strength};

/// What became of an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    /// Done, and what it asked for has not happened yet.
    Idle,
    /// Not done: to be tried again when something happens.
    Asleep,
}

/// The shared address of the object that a lane names.
pub(crate) fn address(
    env: &Env,
    warp: &mut Warp,
    (base, space): (Address, Space),
    lane: usize,
) -> Result<u32> {
    let address = warp.address(base, lane);
    let (space, address) = if space == Space::Generic { resolve(address) } else { (space, address) };
    if space != Space::Shared {
        let message = format!("{address:#x} is not in shared memory, where mbarriers are");
        return Err(Trouble::lane(FaultKind::Operand(message), lane as u32));
    }
    let request = Request { access: "atomic", space, address, count: 8, lane };
    locate(env, warp, request)?;
    Ok(address as u32)
}

fn bytes(env: &Env, at: u32, lane: usize) -> Result<Span> {
    env.shared.span(at as u64, 8).ok_or_else(|| {
        let address = at as u64;
        let place = env.shared.describe(address);
        Trouble::at(
            FaultKind::OutOfBounds { access: "atomic", bytes: 8, address, place },
            lane as u32,
            address,
        )
    })
}

fn misuse(at: u32, lane: usize, message: String) -> Box<Trouble> {
    Trouble::at(FaultKind::Mbarrier { address: at, message }, lane as u32, at as u64)
}

/// Changes the object at `at`; `change` gets the bytes in memory and gives new ones.
pub(crate) fn change(
    env: &mut Env,
    at: u32,
    lane: usize,
    change: impl FnOnce(&mut Mbarriers, u64) -> std::result::Result<u64, String>,
) -> Result<()> {
    let span = bytes(env, at, lane)?;
    let word = change(&mut env.mbarriers, span.read(0, 8)).map_err(|message| misuse(at, lane, message))?;
    span.write(0, 8, word);
    span.mark(8);
    Ok(())
}

/// The phase that the object at `at` is in.
pub(crate) fn phase(env: &mut Env, at: u32, lane: usize) -> Result<u64> {
    let word = bytes(env, at, lane)?.read(0, 8);
    let object = env.mbarriers.get(at, word).map_err(|message| misuse(at, lane, message))?;
    Ok(object.phase)
}

/// Tells the race check that a lane uses an object, or with [`Touching::Write`] that it makes or ends one.
pub(crate) fn touch(env: &mut Env, warp: &Warp, at: u32, lane: usize, touching: Touching) -> Result<()> {
    let Some(watch) = &mut env.watch else { return Ok(()) };
    let strength = if touching == Touching::Write { Strength::Weak } else { Strength::Relaxed };
    let by = warp.by(lane, Behalf::Itself { strength, proxy: Proxy::Object });
    let outcome = watch.touch(by, touching, at, 8);
    env.note(warp, outcome)
}

/// What counts for the phase that an object is in now must not have been able to count for the one before.
///
/// # Errors
/// Who does it does not know that the phase before is over.
pub(crate) fn must_be_current(env: &Env, warp: &Warp, at: u32, lane: usize) -> Result<()> {
    match (&env.watch, env.mbarriers.find(at)) {
        (Some(watch), Some(object))
            if env.sanitize.waits && !object.is_current(watch.order.view(warp.agent)) =>
        {
            let message = "this counts for its present phase, and could have come before the last was over, which \
                           nobody waited for: it would have counted for that";
            Err(misuse(at, lane, message.to_string()))
        }
        _ => Ok(()),
    }
}

/// Executes one `mbarrier` instruction.
pub(crate) fn run(env: &mut Env, warp: &mut Warp, op: &Mbarrier, mask: u32) -> Result<Outcome> {
    let place = (op.at, op.space);
    if let MbarrierKind::Wait { done, phase, sleeps } = op.kind {
        return wait(env, warp, place, (done, phase, sleeps), op.ordered, mask);
    }
    if let MbarrierKind::Arrive { .. } = op.kind {
        // The arrival is part of what it tells.
        for lane in lanes(mask) {
            let at = address(env, warp, place, lane)?;
            touch(env, warp, at, lane, Touching::Atomic)?;
        }
    }
    let released = match (&mut env.watch, &op.kind) {
        (Some(watch), MbarrierKind::Arrive { .. }) => {
            let mut view = View::default();
            watch.order.tell(warp.agent, &mut view, op.ordered);
            Some(view)
        }
        _ => None,
    };
    for lane in lanes(mask) {
        let at = address(env, warp, place, lane)?;
        let value = |reg| warp.row(reg)[lane];
        match op.kind {
            MbarrierKind::Init { count } => {
                let (count, strict) = (value(count), env.sanitize.waits);
                touch(env, warp, at, lane, Touching::Write)?;
                let watch = &mut env.watch;
                let hire = || watch.as_mut().map_or(0, |watch| watch.order.hire());
                let span = env.shared.span(at as u64, 8);
                let word = span.map_or(0, |span| span.read(0, 8));
                let word = env.mbarriers.init(at, count, word, strict, hire);
                let word = word.map_err(|message| misuse(at, lane, message))?;
                if let Some(span) = span {
                    span.write(0, 8, word);
                    span.mark(8);
                }
            }
            MbarrierKind::Inval => {
                touch(env, warp, at, lane, Touching::Write)?;
                change(env, at, lane, |all, word| all.invalidate(at, word).map(|()| !word))?;
            }
            MbarrierKind::Arrive { state, count, expect, drop, no_complete } => {
                let (count, expect) = (count.map_or(1, value), expect.map_or(0, value));
                must_be_current(env, warp, at, lane)?;
                if let Some(watch) = &env.watch {
                    // What it has just told has the clock before.
                    let clock = watch.order.clock(warp.agent) - op.ordered as u64;
                    let untold = (!op.ordered).then(|| watch.order.view(warp.agent));
                    env.mbarriers.comes(at, (agent(warp.agent, Engine::Itself), clock), untold);
                }
                if no_complete && env.mbarriers.find(at).is_some_and(|o| o.would_end(count)) {
                    let message = "an arrival with `.noComplete` would end the phase".to_string();
                    return Err(misuse(at, lane, message));
                }
                let mut before = 0;
                change(env, at, lane, |all, word| {
                    let (state, word) = all.arrive(at, word, (count, expect), drop, released.as_ref())?;
                    before = state;
                    Ok(word)
                })?;
                if let Some(state) = state {
                    warp.set(state, true, lane, before);
                }
            }
            MbarrierKind::Expect { bytes } => {
                let bytes = value(bytes) as i64;
                touch(env, warp, at, lane, Touching::Atomic)?;
                must_be_current(env, warp, at, lane)?;
                if let Some(watch) = &env.watch
                    && env.sanitize.waits
                {
                    let clock = watch.order.clock(warp.agent);
                    env.mbarriers.announced(at, (agent(warp.agent, Engine::Itself), clock));
                }
                change(env, at, lane, |all, word| all.transact(at, word, bytes))?;
            }
            MbarrierKind::Complete { bytes } => {
                let bytes = value(bytes) as i64;
                touch(env, warp, at, lane, Touching::Atomic)?;
                change(env, at, lane, |all, word| all.transact(at, word, -bytes))?;
            }
            MbarrierKind::Wait { .. } => {}
        }
    }
    Ok(Outcome::Done)
}

fn wait(
    env: &mut Env,
    warp: &mut Warp,
    place: (Address, Space),
    (done, phase, sleeps): (Pred, Phase, bool),
    ordered: bool,
    mask: u32,
) -> Result<Outcome> {
    let mut over = 0;
    let mut at_first = None;
    let mut one_object = true;
    // One answer for all lanes: a loop keeps its warp together.
    let mut early = None;
    for lane in lanes(mask) {
        let at = address(env, warp, place, lane)?;
        one_object &= *at_first.get_or_insert(at) == at;
        touch(env, warp, at, lane, Touching::Read)?;
        let asked = match phase {
            Phase::State(state) => Asked::State(warp.wide(state)[lane]),
            Phase::Parity(parity) => Asked::Parity(warp.row(parity)[lane]),
        };
        let word = bytes(env, at, lane)?.read(0, 8);
        let mut ended =
            env.mbarriers.is_over(at, word, asked).map_err(|message| misuse(at, lane, message))?;
        if env.sanitize.waits
            && let (Some(watch), Some(object)) = (&env.watch, env.mbarriers.find_mut(at))
        {
            let too_early = *early.get_or_insert_with(|| {
                object.puts_off(asked, watch.order.view(warp.agent), (warp.agent, warp.pc))
            });
            ended &= !too_early;
        }
        over |= (ended as u32) << lane;
        if ended && let Some(watch) = &mut env.watch {
            if let Some(view) = env.mbarriers.over(at) {
                watch.order.hear(warp.agent, view, ordered);
            }
            warp.syncs += ordered as u32;
        }
    }
    if over == 0 && sleeps && early != Some(true) && one_object && warp.is_whole() && mask == warp.mask {
        warp.sleep = at_first.map(Sleep::Mbarrier);
        return Ok(Outcome::Asleep);
    }
    warp.write_pred(done, over, mask);
    Ok(if over == mask { Outcome::Done } else { Outcome::Idle })
}
