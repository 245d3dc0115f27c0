//! Work that goes on beside a warp: issued here, checked, and landed when the policy says so or a wait forces it.

use super::access::{Request, locate};
use super::asynchrony::{Arrival, Due};
use super::block::Env;
use super::bulk::{self, Transfer};
use super::bulk_queue::{Store, Task, Tells, Work};
use super::order::{Engine, View, agent};
use super::pipeline::{Issued, Objection, product_at};
use super::stamp::Proxy;
use super::warp::Warp;
use super::watch::{Behalf, By, Touching};
use super::{
    FULL, Result, access, defined_products, dependency, lanes, objects, warpgroup, warpgroup_product,
};
use crate::address::{RANK_SHIFT, Space};
use crate::fault::{FaultKind, Place, Trouble};
use crate::program::{AsyncStore, LeftMatrix, Reg, Strength, WarpgroupProduct};

// --- cp.async ---

/// Lands copies, and arrivals that waited for them.
pub(crate) fn settle_copies(env: &mut Env, warp: &mut Warp, due: Vec<Due>) -> Result<()> {
    for due in due {
        match due {
            Due::Copy(copy) => access::land(env, warp, &copy)?,
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
        watch.copied(warp, warp.copies.complete());
    }
    Ok(())
}

/// `cp.async.mbarrier.arrive`
pub(crate) fn copies_arrive(
    env: &mut Env,
    warp: &mut Warp,
    (base, space): (crate::program::Address, Space),
    mask: u32,
    no_increment: bool,
) -> Result<()> {
    let mut arrival = Arrival { mask, at: [0; 32], pc: warp.pc, view: None };
    for lane in lanes(mask) {
        let at = objects::address(env, warp, (base, space), lane)?;
        objects::touch(env, warp, at, lane, Touching::Atomic)?;
        objects::must_be_current(env, warp, at, lane)?;
        arrival.at[lane] = at;
        if !no_increment {
            objects::change(env, at, lane, |all, word| all.increment(at, word, 1))?;
        }
    }
    if let Some(watch) = &mut env.watch {
        let mut view = Box::<View>::default();
        watch.order.release(warp.agent, &mut view);
        view.complete(agent(warp.agent, Engine::Copies), warp.copies.next_number() - 1);
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
        let arrived = objects::change(env, at, lane, |all, word| {
            all.arrive(at, word, (1, 0), false, view).map(|(_, word)| word)
        });
        arrived.map_err(|trouble| placed(trouble, warp, arrival.pc, lane as u32))?;
    }
    Ok(())
}

/// Trouble with what an instruction set going earlier.
fn placed(mut trouble: Box<Trouble>, warp: u32, pc: u32, lane: u32) -> Box<Trouble> {
    trouble.place = Some(Place { pc, warp, lane: Some(lane) });
    trouble
}

// --- wgmma ---

/// `wgmma.mma_async`
pub(crate) fn issue_product(env: &mut Env, warp: &mut Warp, product: &WarpgroupProduct) -> Result<()> {
    let uniform = |row: &[u64; 32], what: &str| match row.iter().all(|d| *d == row[0]) {
        true => Ok(row[0]),
        false => Err(Box::<Trouble>::from(FaultKind::Operand(format!(
            "lanes of the warp give different matrix descriptors for {what}"
        )))),
    };
    let a = match product.a {
        LeftMatrix::Shared(a) => uniform(warp.wide(a), "A")?,
        LeftMatrix::Registers(_) => 0,
    };
    let b = uniform(warp.wide(product.b), "B")?;
    let accumulate = warp.condition(product.accumulate);
    if accumulate != 0 && accumulate != FULL {
        let message = "lanes of the warp give different values of scale-d".to_string();
        return Err(FaultKind::Operand(message).into());
    }
    if env.sanitize.is_any() {
        if env.sanitize.fences
            && let Some(objection) = warp.products.objection(env.program, (warp.pc, product), accumulate != 0)
        {
            let name = |reg: Reg| env.program.names.get(&reg).map_or("a register", |name| name.as_str());
            let kind = match objection {
                Objection::First => {
                    let why = "no `wgmma.fence` was executed before this first wgmma";
                    FaultKind::WarpgroupFence(why.to_string())
                }
                Objection::Fence(reg) => {
                    let why = format!("{} was used by another instruction since the last fence", name(reg));
                    FaultKind::WarpgroupFence(why)
                }
                Objection::Serialised(reg) => FaultKind::WarpgroupSerialised(name(reg).to_string()),
            };
            env.note(warp, Err(kind.into()))?;
        }
        let number = warp.products.next_number();
        let by = By::lane(warp, 0, Behalf::Engine(Engine::Products, number));
        for at in chunks(warp, product, (a, b))? {
            if env.shared.span(at as u64, 16).is_some()
                && let Some(watch) = &mut env.watch
            {
                let outcome = watch.touch(by, Touching::Read, at, 16);
                env.note(warp, outcome)?;
            }
        }
    } else {
        chunks_are_legal(warp, product, (a, b))?;
    }
    let left = warpgroup_product::left_rows(warp, product);
    let unknown = if env.sanitize.unwritten { defined_products::left_rows(warp, product) } else { None };
    let issued =
        Issued { pc: warp.pc, a, b, left, unknown, accumulate: accumulate != 0, ..Issued::default() };
    let now = warp.products.issue(issued, product);
    env.warpgroups.issue(warp);
    match now {
        Some(issued) => land_product(env, warp, product, &issued),
        None => Ok(()),
    }
}

/// Shared addresses of all that a product reads, sixteen bytes each.
fn chunks(warp: &Warp, product: &WarpgroupProduct, (a, b): (u64, u64)) -> Result<Vec<u32>> {
    let own = warp.rank << RANK_SHIFT;
    match warpgroup::chunks(product, warp.index % 4, a, b) {
        Ok(mut chunks) => {
            chunks.iter_mut().for_each(|at| *at |= own);
            Ok(chunks)
        }
        Err(message) => Err(FaultKind::Operand(message).into()),
    }
}

fn chunks_are_legal(warp: &Warp, product: &WarpgroupProduct, descriptors: (u64, u64)) -> Result<()> {
    chunks(warp, product, descriptors).map(|_| ())
}

fn land_product(env: &mut Env, warp: &mut Warp, product: &WarpgroupProduct, issued: &Issued) -> Result<()> {
    let (descriptors, left) = ((issued.a, issued.b), issued.left.as_deref());
    if env.sanitize.unwritten {
        let unknown = issued.unknown.as_deref();
        defined_products::landed(env, warp, (issued.pc, product), descriptors, unknown, issued.accumulate)?;
    }
    warpgroup_product::run(env, warp, product, descriptors, left, issued.accumulate)
}

/// Lands these products of a warp.
pub(crate) fn settle_products(env: &mut Env, warp: &mut Warp, due: Vec<Issued>) -> Result<()> {
    let program = env.program;
    for issued in due {
        if let Some(product) = product_at(&program.code, issued.pc) {
            land_product(env, warp, product, &issued)
                .map_err(|trouble| placed(trouble, warp.agent, issued.pc, 0))?;
        }
    }
    Ok(())
}

/// `wgmma.wait_group` of warp `at` among `group`, its warpgroup: products up to `number` land for all four warps.
pub(crate) fn wait_products(env: &mut Env, group: &mut [Warp], at: usize, number: u64) -> Result<()> {
    for warp in group.iter_mut() {
        let due = warp.products.land_up_to(number);
        settle_products(env, warp, due)?;
    }
    group[at].products.release(number, &env.program.code);
    if let Some(watch) = &mut env.watch {
        let view = watch.order.view_mut(group[at].agent);
        group.iter().for_each(|warp| view.complete(agent(warp.agent, Engine::Products), number));
    }
    Ok(())
}

// --- bulk copies ---

/// Sets a bulk copy of one lane going.
pub(crate) fn issue_transfer(env: &mut Env, warp: &mut Warp, lane: usize, transfer: Transfer) -> Result<()> {
    if let Some(request) = transfer.global_access() {
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
                    let by = By::lane(
                        warp,
                        lane,
                        Behalf::Mbarrier { agent, phase, strength, proxy: Proxy::Object },
                    );
                    let outcome = watch.touch(by, Touching::Read, *at, 8);
                    env.note(warp, outcome)?;
                }
                _ => objects::touch(env, warp, *at, lane, Touching::Read)?,
            }
            objects::must_be_current(env, warp, *at, lane)?;
            objects.push((*at, objects::phase(env, *at, lane)?, *bytes));
        }
        Tells::Mbarriers(objects)
    };
    if let (Some(watch), Tells::Mbarriers(all)) = (&env.watch, &tells) {
        // A copy's bytes come after what its issuer had waited for.
        let phases = watch.order.phases(warp.agent);
        all.iter().for_each(|(at, ..)| env.mbarriers.learns(*at, &phases));
    }
    if let Some(watch) = &mut env.watch {
        let by = |on_behalf| By::lane(warp, lane, on_behalf);
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
        let at = objects::address(env, warp, (op.mbarrier, Space::Shared), lane)?;
        let to = access::address(warp, op.to, lane);
        let request = Request { access: "write", space: Space::Shared, address: to, count: bytes, lane };
        locate(env, warp, request)?;
        objects::touch(env, warp, at, lane, Touching::Read)?;
        objects::must_be_current(env, warp, at, lane)?;
        let phase = objects::phase(env, at, lane)?;
        let agent = env.mbarriers.find(at).map_or(0, |o| o.agent);
        if let Some(watch) = &mut env.watch {
            let strength = if op.reduction.is_some() { Strength::Relaxed } else { Strength::Weak };
            let on_behalf = Behalf::Mbarrier { agent, phase, strength, proxy: Proxy::Store };
            let by = By::lane(warp, lane, on_behalf);
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
        if env.sanitize.waits && objects::phase(env, *at, lane)? != *phase {
            let message = format!(
                "its phase ended before the {bytes} bytes of this copy had come: `expect_tx` announced fewer than are copied"
            );
            return Err(FaultKind::Mbarrier { address: *at, message }.into());
        }
        objects::change(env, *at, lane, |all, word| all.transact(*at, word, -(*bytes as i64)))?;
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
