//! Bulk copies and asynchronous stores: issued, landed and waited for.

use super::placed;
use crate::address::{RANK_SHIFT, Space};
use crate::exec::in_flight::{Store, Task, Tells, Transfer, Work};
use crate::exec::memory::access::locate;
use crate::exec::memory::{bulk, dependency};
use crate::exec::order::{Behalf, Engine, Proxy, Touching, agent};
use crate::exec::request::Request;
use crate::exec::state::{Env, Warp};
use crate::exec::sync::mbarrier;
use crate::exec::{Result, lanes};
use crate::fault::{FaultKind, Trouble};
use crate::program::{AsyncStore, Strength};

/// Sets a bulk copy of one lane going.
pub(crate) fn issue_transfer(env: &mut Env, warp: &mut Warp, lane: usize, transfer: Transfer) -> Result<()> {
    if let Some(request) = bulk::global_access(&transfer) {
        dependency::judge(env, warp, request)?;
    }
    let mut number = 0;
    let tells = if transfer.mbarriers.is_empty() {
        number = warp.bulk.issue(lane as u32, warp.pc, !transfer.shared_reads().is_empty());
        Tells::Group
    } else {
        let mut objects = Vec::new();
        for (at, bytes) in &transfer.mbarriers {
            match (env.mbarriers.find(*at).map(|o| (o.agent, o.phase)), &mut env.watch) {
                (Some((agent, phase)), Some(watch)) => {
                    // Who waits for the bytes knows that the copy has done with the object.
                    let strength = Strength::Relaxed;
                    let by = warp.by(lane, Behalf::Mbarrier { agent, phase, strength, proxy: Proxy::Object });
                    let outcome = watch.touch(by, Touching::Read, *at, 8);
                    env.note(warp, outcome)?;
                }
                _ => mbarrier::touch(env, warp, *at, lane, Touching::Read)?,
            }
            mbarrier::must_be_current(env, warp, *at, lane)?;
            objects.push((*at, mbarrier::phase(env, *at, lane)?, *bytes));
        }
        Tells::Mbarriers(objects)
    };
    if let (Some(watch), Tells::Mbarriers(all)) = (&env.watch, &tells) {
        // A copy's bytes come after what its issuer had waited for.
        let phases = watch.order.phases(warp.agent);
        all.iter().for_each(|(at, ..)| env.mbarriers.learns(*at, &phases));
    }
    if let Some(watch) = &mut env.watch {
        let by = |on_behalf| warp.by(lane, on_behalf);
        // Elements that are combined are so atomically.
        let strength = if transfer.reduction.is_some() { Strength::Relaxed } else { Strength::Weak };
        // The mbarrier of the block that an address is in, or the only one.
        let behalf = |at: u32| match &tells {
            Tells::Group => Behalf::Engine(Engine::Groups, number),
            Tells::Mbarriers(all) => {
                let same = all.iter().find(|(object, ..)| object >> RANK_SHIFT == at >> RANK_SHIFT);
                let (object, phase, _) = same.unwrap_or(&all[0]);
                let agent = env.mbarriers.find(*object).map_or(0, |o| o.agent);
                Behalf::Mbarrier { agent, phase: *phase, strength, proxy: Proxy::Async }
            }
        };
        let mut outcomes = Vec::new();
        for (at, bytes) in transfer.shared_reads() {
            outcomes.push(watch.touch(by(behalf(at)), Touching::Read, at, bytes));
        }
        for (at, bytes) in transfer.shared_writes() {
            outcomes.push(watch.touch(by(behalf(at)), Touching::Write, at, bytes));
        }
        outcomes.into_iter().try_for_each(|outcome| env.note(warp, outcome))?;
    }
    if let Some(counters) = &mut env.counters {
        transfer.global_runs().into_iter().for_each(|(from, to)| counters.bulk(warp.pc, from, to));
        let shared = transfer.shared_reads().into_iter().chain(transfer.shared_writes());
        shared.for_each(|(_, bytes)| counters.bulk_shared(warp.pc, bytes));
    }
    let work = Work::Copy(transfer);
    issue(env, Task::new(work, tells, (warp.agent, lane as u32, warp.pc), number))
}

fn issue(env: &mut Env, task: Task) -> Result<()> {
    match env.tasks.issue(task) {
        Some(now) => land_task(env, &now),
        None => Ok(()),
    }
}

/// `st.async`, `red.async`
pub(crate) fn issue_stores(env: &mut Env, warp: &mut Warp, op: &AsyncStore, mask: u32) -> Result<()> {
    let bytes = op.width as u32 * op.elements.len() as u32;
    for lane in lanes(mask) {
        let at = mbarrier::address(env, warp, (op.mbarrier, Space::Shared), lane)?;
        let to = warp.address(op.to, lane);
        let request = Request { access: "write", space: Space::Shared, address: to, count: bytes, lane };
        locate(env, warp, request)?;
        mbarrier::touch(env, warp, at, lane, Touching::Read)?;
        mbarrier::must_be_current(env, warp, at, lane)?;
        let phase = mbarrier::phase(env, at, lane)?;
        let agent = env.mbarriers.find(at).map_or(0, |o| o.agent);
        if let Some(watch) = &mut env.watch {
            let strength = if op.reduction.is_some() { Strength::Relaxed } else { Strength::Weak };
            let on_behalf = Behalf::Mbarrier { agent, phase, strength, proxy: Proxy::Store };
            let by = warp.by(lane, on_behalf);
            let outcome = watch.touch(by, Touching::Write, to as u32, bytes);
            env.note(warp, outcome)?;
        }
        let values = op.elements.iter().map(|(reg, wide)| warp.get(*reg, *wide, lane)).collect();
        let work = Work::Store(Store { to: to as u32, width: op.width, values, reduction: op.reduction });
        let tells = Tells::Mbarriers(vec![(at, phase, bytes)]);
        issue(env, Task::new(work, tells, (warp.agent, lane as u32, warp.pc), 0))?;
    }
    Ok(())
}

fn land_store(env: &Env, store: &Store) -> Result<()> {
    let (to, width) = (store.to as u64, store.width);
    let bytes = width as u32 * store.values.len() as u32;
    let Some(span) = env.shared.span(to, bytes) else {
        // It was there when the store was issued.
        return Err(FaultKind::Operand(format!("{bytes} bytes at {to:#x} are gone")).into());
    };
    for (i, value) in store.values.iter().enumerate() {
        let at = i * width as usize;
        let value = match &store.reduction {
            None => *value,
            Some(reduction) => (reduction.update)(span.read(at, width), *value, 0),
        };
        span.write(at, width, value);
    }
    span.mark(bytes);
    Ok(())
}

/// Moves a copy's bytes and tells whoever is to know.
pub(crate) fn land_task(env: &mut Env, task: &Task) -> Result<()> {
    try_land(env, task).map_err(|trouble| placed(trouble, task.warp, task.pc, task.lane))
}

fn try_land(env: &mut Env, task: &Task) -> Result<()> {
    match &task.work {
        Work::Copy(transfer) => bulk::land(env, transfer)?,
        Work::Store(store) => land_store(env, store)?,
    }
    let Tells::Mbarriers(all) = &task.tells else { return Ok(()) };
    for (at, phase, bytes) in all {
        let lane = task.lane as usize;
        if env.sanitize.waits && mbarrier::phase(env, *at, lane)? != *phase {
            let message = format!(
                "its phase ended before the {bytes} bytes of this copy had come: `expect_tx` announced fewer than are copied"
            );
            return Err(FaultKind::Mbarrier { address: *at, message }.into());
        }
        mbarrier::change(env, *at, lane, |all, word| all.transact(*at, word, -(*bytes as i64)))?;
    }
    Ok(())
}

/// `cp.async.bulk.wait_group`
pub(crate) fn wait_groups(env: &mut Env, warp: &mut Warp, mask: u32, pending: u32, read: bool) -> Result<()> {
    let numbers = warp.bulk.wait(mask, pending, read);
    for task in env.tasks.take(warp.agent, &numbers) {
        land_task(env, &task)?;
    }
    if let Some(watch) = &mut env.watch {
        let complete = warp.bulk.complete();
        watch.order.view_mut(warp.agent).complete(agent(warp.agent, Engine::Groups), complete);
    }
    Ok(())
}

/// A warp has exited: what still reads its block's shared memory reads what may be another block's by then.
pub(crate) fn abandoned(env: &Env, warp: &Warp) -> Result<()> {
    match warp.bulk.unread() {
        Some(open) if env.sanitize.waits => {
            let message = "the thread exits while this bulk copy may still read shared memory: \
                `cp.async.bulk.wait_group.read` has to come first";
            let trouble = Box::<Trouble>::from(FaultKind::Abandoned(message.to_string()));
            Err(placed(trouble, warp.agent, open.pc, open.lane))
        }
        _ => Ok(()),
    }
}
