//! `wgmma`: issued, landed and waited for.

use super::placed;
use crate::address::RANK_SHIFT;
use crate::exec::in_flight::{Issued, Objection};
use crate::exec::order::{Behalf, Engine, Touching, agent};
use crate::exec::products::{descriptor, wgmma};
use crate::exec::state::{Env, Warp};
use crate::exec::{FULL, Result, defined};
use crate::fault::{FaultKind, Trouble};
use crate::program::{LeftMatrix, Reg, WarpgroupProduct};

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
        let by = warp.by(0, Behalf::Engine(Engine::Products, number));
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
    let left = wgmma::left_rows(warp, product);
    let unknown = if env.sanitize.unwritten { defined::products::left_rows(warp, product) } else { None };
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
    match descriptor::chunks(product, warp.index % 4, a, b) {
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
        defined::products::landed(env, warp, (issued.pc, product), descriptors, unknown, issued.accumulate)?;
    }
    wgmma::run(env, warp, product, descriptors, left, issued.accumulate)
}

/// Lands these products of a warp.
pub(crate) fn settle_products(env: &mut Env, warp: &mut Warp, due: Vec<Issued>) -> Result<()> {
    let program = env.program;
    for issued in due {
        if let Some(product) = program.warpgroup_product(issued.pc) {
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
    group[at].products.release(number, env.program);
    if let Some(watch) = &mut env.watch {
        let view = watch.order.view_mut(group[at].agent);
        group.iter().for_each(|warp| view.complete(agent(warp.agent, Engine::Products), number));
    }
    Ok(())
}
