//! `atom.exch.b128` and `atom.cas.b128` (PTX ISA §9.7.13.13).
//!
//! The host has no atomic access of 16 bytes that is there everywhere, so these instructions exclude one another by a
//! lock. A smaller access to the same bytes at the same time may see half of one, as it may on hardware.

use super::access::{Request, address, check_written, locate, watch};
use super::block::Env;
use super::warp::Warp;
use super::watch::Touching;
use super::{Result, lanes};
use crate::program::AtomicQuad;
use std::sync::{Mutex, PoisonError};

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

pub(crate) fn atomic(env: &mut Env, warp: &mut Warp, atomic: &AtomicQuad, mask: u32) -> Result<()> {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    for lane in lanes(mask) {
        let address = address(warp, atomic.base, lane);
        let request = Request { access: "atomic", space: atomic.space, address, count: 16, lane };
        let span = locate(env, warp, request)?;
        watch(env, warp, request, Touching::Atomic, atomic.strength)?;
        if env.sanitize.unwritten {
            check_written(span, request, 16)?;
        }
        let old = [span.read(0, 8), span.read(8, 8)];
        let b = atomic.b.map(|reg| warp.wide(reg)[lane]);
        let new = match atomic.c {
            None => Some(b),
            Some(c) => (old == b).then(|| c.map(|reg| warp.wide(reg)[lane])),
        };
        if let Some([low, high]) = new {
            span.write(0, 8, low);
            span.write(8, 8, high);
        }
        span.mark(16);
        if let Some(d) = atomic.d {
            for (reg, value) in d.into_iter().zip(old) {
                warp.wide_mut(reg)[lane] = value;
            }
        }
    }
    Ok(())
}
