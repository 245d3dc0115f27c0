//! `atom.exch.b128` and `atom.cas.b128` (PTX ISA §9.7.13.13).
//!
//! The host has no atomic access of 16 bytes that is there everywhere, so these instructions exclude one another by a
//! lock. A smaller access to the same bytes at the same time may see half of one, as it may on hardware.

use super::access::{check_written, locate, watch};
use crate::exec::order::Touching;
use crate::exec::request::Request;
use crate::exec::state::{Env, Warp};
use crate::exec::unknown::Unknown;
use crate::exec::{Result, lanes};
use crate::program::{AtomicQuad, Reg};
use std::sync::{Mutex, PoisonError};

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

pub(crate) fn atomic(
    env: &mut Env,
    warp: &mut Warp,
    atomic: &AtomicQuad,
    mask: u32,
) -> Result<Vec<(Reg, usize, Unknown)>> {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let mut old_values = Vec::new();
    for lane in lanes(mask) {
        let address = warp.address(atomic.base, lane);
        let request = Request { access: "atomic", space: atomic.space, address, count: 16, lane };
        let span = locate(env, warp, request)?;
        watch(env, warp, request, Touching::Atomic, atomic.strength)?;
        if env.sanitize.unwritten {
            // What is compared has to be known; what is replaced has not.
            if atomic.c.is_some() {
                env.note(warp, check_written(span, request, 16))?;
            }
            for (i, reg) in atomic.d.into_iter().flatten().enumerate() {
                let bits = span.unknown(8 * i, 8);
                let origin = Some(env.origins.of(warp, request, 8 * i as u32 + bits.trailing_zeros() / 8));
                old_values.push((reg, lane, Unknown { bits, origin }));
            }
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
    Ok(old_values)
}
