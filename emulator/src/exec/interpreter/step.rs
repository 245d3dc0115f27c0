//! The interpreter's loop: one match for each instruction of a warp.

use super::carry::carry;
use super::count::count;
use super::print;
use crate::alu::lanes::{LANES, Row};
use crate::exec::control::{branch, collective, recursion};
use crate::exec::memory::{access, bulk, dependency, matrix, quad, tensor};
use crate::exec::products::{mma, tile};
use crate::exec::state::{Env, Sleep, Warp, blend};
use crate::exec::sync::{Outcome, cluster_barrier, mbarrier};
use crate::exec::{FULL, Result, defined, engines, lanes};
use crate::fault::{FaultKind, Trouble};
use crate::program::{Inst, Op, TensorDirection, VideoForm};

/// Why a warp stopped running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Its turn is over.
    Turn,
    /// All its lanes have exited.
    Exited,
    /// Its next instruction is a barrier of the block, for all its lanes.
    Barrier,
    /// What it waits for has not happened; it sleeps, or has just asked.
    Idle,
    /// It lets others go first.
    Pause,
    /// Its next instruction waits for the products of its warpgroup up to this one.
    Products(u64),
}

/// Runs `warp` for at most `turns` instructions.
pub(crate) fn run(env: &mut Env, warp: &mut Warp, turns: u32) -> Result<Stop> {
    let program = env.program;
    let code = &program.code[..];
    for _ in 0..turns {
        let pc = warp.pc as usize;
        let inst = &code[pc];
        env.executed[pc] += 1;
        warp.count += 1;
        let mask = warp.mask & warp.condition(inst.guard);
        let reads_unknown = env.checks_registers && defined::before(env, warp, inst, mask)?;
        if mask == 0 {
            warp.advance();
            continue;
        }
        if env.counters.is_some() {
            count(env, warp, &inst.op, mask);
        }
        match &inst.op {
            Op::Alu { run, d, a, b, c, e, wide } => {
                let (a, b, c, e) = (warp.row_ptr(*a), warp.row_ptr(*b), warp.row_ptr(*c), warp.row_ptr(*e));
                if mask == FULL {
                    // SAFETY: the decoder matched the kernel's widths to the registers'.
                    unsafe { run(warp.row_ptr(*d), a, b, c, e) };
                } else {
                    let mut value = [Row([0; LANES]); 2];
                    // SAFETY: as above, and two rows hold either width.
                    unsafe { run(value.as_mut_ptr(), a, b, c, e) };
                    if *wide {
                        // SAFETY: two adjacent rows are 32 values of 64 bits.
                        let value = unsafe { &*value.as_ptr().cast() };
                        warp.write_wide(*d, value, mask);
                    } else {
                        warp.write_row(*d, &value[0].0, mask);
                    }
                }
            }
            Op::Compare { run, a, b, d, q, combine } => {
                // SAFETY: as for `Alu`.
                let holds = unsafe { run(warp.row_ptr(*a), warp.row_ptr(*b)) };
                let (yes, no) = match combine {
                    None => (holds, !holds),
                    Some((logic, c)) => {
                        let c = warp.condition(*c);
                        (logic.apply(holds, c), logic.apply(!holds, c))
                    }
                };
                warp.write_pred(*d, yes, mask);
                if let Some(q) = q {
                    warp.write_pred(*q, no, mask);
                }
            }
            Op::SetRow { run, a, b, d, truth, combine } => {
                // SAFETY: as for `Alu`.
                let holds = unsafe { run(warp.row_ptr(*a), warp.row_ptr(*b)) };
                let holds = combine.map_or(holds, |(logic, c)| logic.apply(holds, warp.condition(c)));
                let value = std::array::from_fn(|l| if holds >> l & 1 != 0 { *truth } else { 0 });
                warp.write_row(*d, &value, mask);
            }
            Op::Select { d, a, b, p, wide } => {
                let p = warp.condition(*p);
                if *wide {
                    let (a, b) = (warp.wide(*a), warp.wide(*b));
                    let value = std::array::from_fn(|l| if p >> l & 1 != 0 { a[l] } else { b[l] });
                    warp.write_wide(*d, &value, mask);
                } else {
                    let mut value = *warp.row(*b);
                    blend(&mut value, warp.row(*a), p);
                    warp.write_row(*d, &value, mask);
                }
            }
            Op::Predicate { d, a, b, logic } => {
                let value = logic.apply(warp.condition(*a), warp.condition(*b));
                warp.write_pred(*d, value, mask);
            }
            Op::Carry { d, a, b, wide, subtract, carry_in, carry_out } => {
                carry(warp, mask, (*d, *a, *b, *wide), *subtract, *carry_in, *carry_out);
            }
            Op::Video { form, d, a, b, c } => {
                for lane in lanes(mask) {
                    let [a, b, c] = [a, b, c].map(|reg| warp.row(*reg)[lane]);
                    let value = match &**form {
                        VideoForm::Lanes(video) => video.run(a, b, c),
                        VideoForm::Mad(mad) => mad.run(a, b, c),
                    };
                    warp.set(*d, false, lane, value as u64);
                }
            }
            Op::Clock { d, wide } => {
                let now = warp.count;
                for lane in lanes(mask) {
                    warp.set(*d, *wide, lane, now);
                }
            }
            Op::GridWorkspace { d, upper, wide } => {
                let Some(address) = env.workspace else {
                    let name = if *upper { "%envreg1" } else { "%envreg2" };
                    return Err(FaultKind::NotCooperative(name).into());
                };
                let half = if *upper { address >> 32 } else { address & u32::MAX as u64 };
                for lane in lanes(mask) {
                    warp.set(*d, *wide, lane, half);
                }
            }
            Op::Load(access) => {
                let unknown = access::load(env, warp, access, mask)?;
                if env.sanitize.unwritten {
                    defined::after(env, warp, inst, mask, reads_unknown);
                    defined::loaded(warp, &unknown);
                }
                warp.advance();
                continue;
            }
            Op::Store(access) => access::store(env, warp, access, mask)?,
            Op::Atomic(atomic) => {
                let unknown = access::atomic(env, warp, atomic, mask)?;
                if env.sanitize.unwritten {
                    defined::after(env, warp, inst, mask, false);
                    defined::loaded(warp, &unknown);
                }
                warp.advance();
                continue;
            }
            Op::AtomicQuad(atomic) => {
                let unknown = quad::atomic(env, warp, atomic, mask)?;
                if env.sanitize.unwritten {
                    defined::after(env, warp, inst, mask, false);
                    defined::loaded(warp, &unknown);
                }
                warp.advance();
                continue;
            }
            Op::Branch { target } => {
                if mask == warp.mask {
                    warp.jump(*target);
                } else {
                    warp.pc += 1;
                    warp.split(mask, *target);
                }
                continue;
            }
            Op::BranchIndexed { index, targets } => {
                branch::branch_indexed(warp, mask, *index, targets)?;
                continue;
            }
            Op::Call(call) => {
                branch::call(warp, mask, call);
                if env.sanitize.unwritten {
                    defined::after(env, warp, inst, mask, reads_unknown);
                }
                continue;
            }
            Op::Results(moves) => branch::moves(warp, mask, moves),
            Op::Recurse(call) => {
                recursion::recurse(env, warp, mask, call)?;
                continue;
            }
            Op::Unwind(unwind) => recursion::unwind(env, warp, mask, unwind),
            Op::Stack(op) => recursion::stack(env, warp, mask, op)?,
            Op::Print(print) => print::print(env, warp, print, mask)?,
            Op::AssertFail(fail) => return Err(print::assert_fail(env, warp, fail, mask)),
            Op::NoTarget { target } => {
                let lane = mask.trailing_zeros();
                let address = warp.get(*target, true, lane as usize);
                return Err(Trouble::lane(FaultKind::CallTarget { address }, lane));
            }
            Op::Return { way_back } => {
                branch::ret(warp, mask, *way_back);
                continue;
            }
            Op::Exit => {
                warp.pc += 1;
                warp.exit(mask);
                if warp.live == 0 {
                    return Ok(Stop::Exited);
                }
                continue;
            }
            Op::Trap => return Err(Trouble::lane(FaultKind::Trap, mask.trailing_zeros())),
            Op::Barrier(_) => {
                if !together(warp, mask, "a barrier is for all lanes of a warp")? {
                    continue;
                }
                return Ok(Stop::Barrier);
            }
            Op::WarpSync { members } => {
                if collective::groups(warp, mask, *members)?.is_none() {
                    continue;
                }
                warp.syncs += 1;
            }
            Op::Shuffle { mode, d, p, a, b, c, members } => {
                let Some(groups) = collective::groups(warp, mask, *members)? else { continue };
                for mask in groups {
                    collective::shuffle(warp, mask, *mode, (*d, *p), (*a, *b, *c));
                }
            }
            Op::Vote { mode, d, a, members } => {
                let Some(groups) = collective::groups(warp, mask, *members)? else { continue };
                for mask in groups {
                    collective::vote(warp, mask, *mode, *d, *a);
                }
            }
            Op::Ballot { d, a, members } => {
                let Some(groups) = collective::groups(warp, mask, *members)? else { continue };
                for mask in groups {
                    let ballot = warp.condition(*a) & mask;
                    warp.write_row(*d, &[ballot; LANES], mask);
                }
            }
            Op::Match { d, all, a, wide, members } => {
                let Some(groups) = collective::groups(warp, mask, *members)? else { continue };
                for mask in groups {
                    collective::matching(warp, mask, *d, *all, (*a, *wide));
                }
            }
            Op::Redux { d, a, fold, members } => {
                let Some(groups) = collective::groups(warp, mask, *members)? else { continue };
                for mask in groups {
                    let a = warp.row(*a);
                    let result = lanes(mask).map(|l| a[l]).reduce(*fold).unwrap_or(0);
                    warp.write_row(*d, &[result; LANES], mask);
                }
            }
            Op::ActiveMask { d } => warp.write_row(*d, &[mask; LANES], mask),
            Op::Elect { d, p, members } => {
                let Some(groups) = collective::groups(warp, mask, *members)? else { continue };
                for mask in groups {
                    let leader = mask.trailing_zeros();
                    if let Some(d) = d {
                        warp.write_row(*d, &[leader; LANES], mask);
                    }
                    warp.write_pred(*p, 1 << leader, mask);
                }
            }
            Op::LoadMatrix(access) => {
                if !together(warp, mask, "ldmatrix is for all lanes of a warp")? {
                    continue;
                }
                matrix::load(env, warp, access)?;
                brought(env, warp, inst);
                continue;
            }
            Op::StoreMatrix(access) => {
                if !together(warp, mask, "stmatrix is for all lanes of a warp")? {
                    continue;
                }
                matrix::store(env, warp, access)?;
            }
            Op::MoveMatrix { d, a } => {
                if !together(warp, mask, "movmatrix is for all lanes of a warp")? {
                    continue;
                }
                let transposed = matrix::transpose(warp.row(*a));
                warp.write_row(*d, &transposed, FULL);
            }
            Op::MatrixProduct(product) => {
                if mask != FULL {
                    whole_warp(warp, mask, "mma is for all 32 lanes of a warp")?;
                    continue;
                }
                mma::run(env, warp, product);
            }
            Op::TileProduct(product) => {
                if mask != FULL {
                    whole_warp(warp, mask, "mma is for all 32 lanes of a warp")?;
                    continue;
                }
                tile::run(warp, product);
            }
            Op::LoadTile(access) => {
                if mask != FULL {
                    whole_warp(warp, mask, "wmma is for all 32 lanes of a warp")?;
                    continue;
                }
                tile::load(env, warp, access)?;
                brought(env, warp, inst);
                continue;
            }
            Op::StoreTile(access) => {
                if mask != FULL {
                    whole_warp(warp, mask, "wmma is for all 32 lanes of a warp")?;
                    continue;
                }
                tile::store(env, warp, access)?;
            }
            Op::AsyncCopy(copy) => engines::copies::async_copy(env, warp, copy, mask)?,
            Op::CommitGroup => warp.copies.commit(mask),
            Op::WaitGroup { pending } => engines::copies::wait_copies(env, warp, mask, *pending)?,
            Op::CopyArrive { at, space, no_increment } => {
                engines::copies::copies_arrive(env, warp, (*at, *space), mask, *no_increment)?;
            }
            Op::BulkCopy(copy) => {
                for lane in lanes(mask) {
                    let transfer = bulk::plan(env, warp, lane, copy)?;
                    engines::bulk::issue_transfer(env, warp, lane, transfer)?;
                }
            }
            Op::TensorCopy(copy) => {
                for lane in lanes(mask) {
                    let transfer = tensor::plan(env, warp, lane, copy)?;
                    if copy.direction != TensorDirection::Prefetch {
                        engines::bulk::issue_transfer(env, warp, lane, transfer)?;
                    }
                }
            }
            Op::BulkCommit => warp.bulk.commit(mask),
            Op::BulkWait { pending, read } => engines::bulk::wait_groups(env, warp, mask, *pending, *read)?,
            Op::AsyncStore(store) => engines::bulk::issue_stores(env, warp, store, mask)?,
            Op::Mbarrier(object) => match mbarrier::run(env, warp, object, mask)? {
                Outcome::Done => {}
                Outcome::Asleep => return Ok(Stop::Idle),
                Outcome::Idle => {
                    if env.sanitize.unwritten {
                        defined::after(env, warp, inst, mask, reads_unknown);
                    }
                    warp.advance();
                    warp.rest();
                    return Ok(Stop::Idle);
                }
            },
            Op::WarpgroupFence => {
                if !together(warp, mask, "wgmma.fence is for all lanes of a warp")? {
                    continue;
                }
                warp.products.fence();
            }
            Op::WarpgroupProduct(product) => {
                if mask != FULL {
                    whole_warp(warp, mask, "wgmma is for all 32 lanes of a warp")?;
                    continue;
                }
                engines::wgmma::issue_product(env, warp, product)?;
                // What is known of the accumulator is settled when it lands.
                warp.advance();
                continue;
            }
            Op::WarpgroupCommit => {
                if !together(warp, mask, "wgmma.commit_group is for all lanes of a warp")? {
                    continue;
                }
                warp.products.commit();
            }
            Op::WarpgroupWait { pending } => {
                if !together(warp, mask, "wgmma.wait_group is for all lanes of a warp")? {
                    continue;
                }
                let Some(number) = warp.products.covered(*pending) else {
                    warp.advance();
                    continue;
                };
                if !env.warpgroups.have_issued(warp, number) {
                    warp.sleep = Some(Sleep::Warpgroup);
                    return Ok(Stop::Idle);
                }
                return Ok(Stop::Products(number));
            }
            Op::ClusterBarrier(barrier) => {
                if !cluster_barrier::run(env, warp, *barrier, mask)? {
                    return Ok(Stop::Idle);
                }
            }
            Op::ProxyFence => {
                if let Some(watch) = &mut env.watch {
                    watch.order.fence_proxy(warp.agent);
                }
            }
            Op::Fence => {
                if let Some(watch) = &mut env.watch
                    && watch.order.fence(warp.agent)
                {
                    warp.syncs += 1;
                }
            }
            Op::TensorMapField(field) => {
                for lane in lanes(mask) {
                    tensor::set_field(env, warp, lane, field)?;
                }
            }
            Op::TensorMapCopy { to, from, bytes } => {
                if !together(warp, mask, "tensormap.cp_fenceproxy is for all lanes of a warp")? {
                    continue;
                }
                // It waits for the warp's lanes, of which one has usually written the map.
                warp.syncs += 1;
                tensor::copy_map(env, warp, mask.trailing_zeros() as usize, (*to, *from, *bytes))?;
            }
            Op::GridDependencyWait => dependency::wait(env, warp, mask),
            Op::Nothing => {}
            Op::Pause => {
                warp.advance();
                warp.rest();
                return Ok(Stop::Pause);
            }
        }
        if env.sanitize.unwritten {
            defined::after(env, warp, inst, mask, reads_unknown);
        }
        warp.advance();
    }
    Ok(Stop::Turn)
}

/// After a load by all lanes for each other, which has said what is not known of what it brought.
fn brought(env: &Env, warp: &mut Warp, inst: &Inst) {
    if env.sanitize.unwritten {
        defined::after(env, warp, inst, FULL, !warp.pending.is_empty());
    }
    warp.advance();
}

/// Whether all lanes that are left execute this; if some are elsewhere, waits for them.
fn together(warp: &mut Warp, mask: u32, what: &'static str) -> Result<bool> {
    if mask == warp.live {
        return Ok(true);
    }
    whole_warp(warp, mask, what)?;
    Ok(false)
}

/// Waits for lanes that are elsewhere; lanes that are here and do not take part, or are gone, are a fault.
#[cold]
fn whole_warp(warp: &mut Warp, mask: u32, what: &'static str) -> Result<()> {
    if mask != warp.mask {
        return Err(FaultKind::Divergent { missing: warp.mask & !mask, what }.into());
    }
    if warp.gather(FULL, what)? {
        return Err(FaultKind::Divergent { missing: !warp.mask, what }.into());
    }
    Ok(())
}
