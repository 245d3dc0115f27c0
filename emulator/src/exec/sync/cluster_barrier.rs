//! `barrier.cluster`, for the lanes of a warp; the barrier itself is the cluster's state.

use crate::exec::Result;
use crate::exec::order::View;
use crate::exec::state::{Env, Sleep, Warp};
use crate::program::ClusterBarrier;

/// `barrier.cluster`; false if what is waited for has not happened.
pub(crate) fn run(env: &mut Env, warp: &mut Warp, barrier: ClusterBarrier, mask: u32) -> Result<bool> {
    if barrier.arrives {
        let released = env.watch.as_mut().map(|watch| {
            let mut view = View::default();
            watch.order.tell(warp.agent, &mut view, barrier.ordered);
            watch.order.tell_start(warp.agent, &mut view);
            view
        });
        env.cluster_barrier.arrive(&mut warp.cluster_phase, mask, released.as_ref())?;
        return Ok(true);
    }
    if env.cluster_barrier.is_over(&mut warp.cluster_phase, mask)? {
        if barrier.ordered
            && let Some(watch) = &mut env.watch
        {
            watch.order.acquire(warp.agent, env.cluster_barrier.over());
            watch.order.fence(warp.agent);
            warp.syncs += 1;
        }
        return Ok(true);
    }
    if warp.is_whole() {
        warp.sleep = Some(Sleep::Cluster);
    } else {
        warp.rest();
    }
    Ok(false)
}
