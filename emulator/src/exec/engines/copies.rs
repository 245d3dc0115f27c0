//! `cp.async`: issued, landed, waited for, and told to mbarriers.

use super::placed;
use crate::address::{Space, resolve};
use crate::exec::in_flight::{Arrival, Copy, Due};
use crate::exec::memory::access::locate;
use crate::exec::memory::dependency;
use crate::exec::order::{Behalf, Engine, Touching, View, agent};
use crate::exec::request::Request;
use crate::exec::state::{Env, Warp};
use crate::exec::sync::mbarrier;
use crate::exec::{Result, lanes};
use crate::fault::{FaultKind, Trouble};
use crate::program::{Address, AsyncCopy};

/// `cp.async`: addresses are checked now, bytes move when the copy lands.
pub(crate) fn async_copy(env: &mut Env, warp: &mut Warp, copy: &AsyncCopy, mask: u32) -> Result<()> {
    let mut issued = Copy::new(copy.bytes, mask);
    let ignored = copy.ignore_source.map_or(0, |p| warp.condition(p));
    for lane in lanes(mask) {
        let to = warp.address(copy.to, lane);
        let to = if copy.to_space == Space::Generic { resolve(to).1 } else { to };
        let from = warp.address(copy.from, lane);
        let bytes = copy.bytes as u32;
        let asked = copy.source_bytes.map_or(bytes, |reg| warp.row(reg)[lane]).min(bytes);
        let read = if ignored >> lane & 1 != 0 { 0 } else { asked };
        let request = Request { access: "write", space: Space::Shared, address: to, count: bytes, lane };
        locate(env, warp, request)?;
        if let Some(watch) = &mut env.watch {
            let on_behalf = Behalf::Engine(Engine::Copies, warp.copies.next_number());
            let by = warp.by(lane, on_behalf);
            let outcome = watch.touch(by, Touching::Write, to as u32, bytes);
            env.note(warp, outcome)?;
        }
        if from & (bytes as u64 - 1) != 0 {
            let kind = FaultKind::Misaligned { access: "read", bytes, address: from };
            return Err(Trouble::at(kind, lane as u32, from));
        }
        if read != 0 {
            let request = Request { access: "read", space: Space::Global, address: from, count: read, lane };
            if env.memory.span(from, read, &mut warp.hint).is_none() {
                return Err(refuse_copy(env, request));
            }
            dependency::judge(env, warp, request)?;
        }
        issued.to[lane] = to as u32;
        issued.from[lane] = from;
        issued.read[lane] = read as u8;
    }
    match warp.copies.issue(issued) {
        Some(now) => land(env, warp, &now),
        None => Ok(()),
    }
}

/// A source that is not there; its size need not be a power of two.
#[cold]
fn refuse_copy(env: &Env, request: Request) -> Box<Trouble> {
    let Request { access, address, count: bytes, lane, .. } = request;
    let place = env.memory.describe(address);
    Trouble::at(FaultKind::OutOfBounds { access, bytes, address, place }, lane as u32, address)
}

/// Moves the bytes of a copy.
fn land(env: &Env, warp: &mut Warp, copy: &Copy) -> Result<()> {
    for lane in lanes(copy.mask) {
        let (to, from) = (copy.to[lane] as u64, copy.from[lane]);
        let (bytes, read) = (copy.bytes as u32, copy.read[lane] as u32);
        let request = Request { access: "write", space: Space::Shared, address: to, count: bytes, lane };
        let target = locate(env, warp, request)?;
        let width = if bytes == 4 { 4 } else { 8 };
        if read == bytes {
            let request = Request { access: "read", space: Space::Global, address: from, count: bytes, lane };
            let source = locate(env, warp, request)?;
            for at in (0..bytes as usize).step_by(width as usize) {
                target.write(at, width, source.read(at, width));
            }
        } else {
            for at in (0..bytes as usize).step_by(width as usize) {
                target.write(at, width, 0);
            }
            if read != 0
                && let Some(source) = env.memory.span(from, read, &mut warp.hint)
            {
                for at in 0..read as usize {
                    target.write(at, 1, source.read(at, 1));
                }
            }
        }
        target.mark(bytes);
        if env.sanitize.unwritten
            && read != 0
            && let Some(source) = env.memory.span(from, read, &mut warp.hint)
            && source.unwritten(read).is_some()
        {
            // That nobody wrote them goes with the bytes.
            source.copy_known_to(target, read);
            env.origins.keep(to, bytes, None);
        }
    }
    Ok(())
}

/// Lands copies, and arrivals that waited for them.
pub(crate) fn settle_copies(env: &mut Env, warp: &mut Warp, due: Vec<Due>) -> Result<()> {
    for due in due {
        match due {
            Due::Copy(copy) => land(env, warp, &copy)?,
            Due::Arrival(arrival) => arrive(env, warp.agent, &arrival)?,
        }
    }
    Ok(())
}

/// `cp.async.wait_group`
pub(crate) fn wait_copies(env: &mut Env, warp: &mut Warp, mask: u32, pending: u32) -> Result<()> {
    let due = warp.copies.wait(mask, pending);
    settle_copies(env, warp, due)?;
    if let Some(watch) = &mut env.watch {
        watch.copied((warp.agent, warp.syncs), warp.copies.complete());
    }
    Ok(())
}

/// `cp.async.mbarrier.arrive`
pub(crate) fn copies_arrive(
    env: &mut Env,
    warp: &mut Warp,
    (base, space): (Address, Space),
    mask: u32,
    no_increment: bool,
) -> Result<()> {
    let mut arrival = Arrival { mask, at: [0; 32], pc: warp.pc, view: None };
    for lane in lanes(mask) {
        let at = mbarrier::address(env, warp, (base, space), lane)?;
        mbarrier::touch(env, warp, at, lane, Touching::Atomic)?;
        mbarrier::must_be_current(env, warp, at, lane)?;
        arrival.at[lane] = at;
        if !no_increment {
            mbarrier::change(env, at, lane, |all, word| all.increment(at, word, 1))?;
        }
    }
    if let Some(watch) = &mut env.watch {
        let mut view = Box::<View>::default();
        watch.order.release(warp.agent, &mut view);
        view.land(agent(warp.agent, Engine::Copies), warp.copies.next_number() - 1);
        arrival.view = Some(view);
    }
    match warp.copies.arrive(arrival) {
        Some(now) => arrive(env, warp.agent, &now),
        None => Ok(()),
    }
}

fn arrive(env: &mut Env, warp: u32, arrival: &Arrival) -> Result<()> {
    for lane in lanes(arrival.mask) {
        let at = arrival.at[lane];
        let view = arrival.view.as_deref();
        env.mbarriers.copy_comes(at);
        let arrived = mbarrier::change(env, at, lane, |all, word| {
            all.arrive(at, word, (1, 0), false, view).map(|(_, word)| word)
        });
        arrived.map_err(|trouble| placed(trouble, warp, arrival.pc, lane as u32))?;
    }
    Ok(())
}
