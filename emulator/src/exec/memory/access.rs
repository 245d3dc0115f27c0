//! Loads, stores and atomics.

use super::dependency;
use crate::address::{SHARED_WINDOW, Space, resolve};
use crate::exec::order::{Behalf, By, Proxy, Touching, Watch};
use crate::exec::request::Request;
use crate::exec::state::{Env, Warp};
use crate::exec::unknown::Unknown;
use crate::exec::{Result, lanes};
use crate::fault::{FaultKind, Trouble};
use crate::memory::Span;
use crate::program::{Access, Atomic, Reg, Strength, Touch};

/// The bytes that a request is for, if they are there and aligned.
#[inline(always)]
pub(crate) fn locate(env: &Env, warp: &mut Warp, request: Request) -> Result<Span> {
    let Request { space, address, count, lane, .. } = request;
    let span = match space {
        Space::Global => env.memory.span(address, count, &mut warp.hint),
        Space::Shared => env.shared.span(address, count),
        _ => return locate_rarely(env, warp, request),
    };
    let _ = lane;
    match span {
        Some(span) if address & (count as u64 - 1) == 0 => Ok(span),
        _ => Err(refuse(env, request)),
    }
}

/// Local and parameter memory, and generic addresses.
fn locate_rarely(env: &Env, warp: &mut Warp, request: Request) -> Result<Span> {
    let Request { space, address, count, lane, .. } = request;
    let (found, at) = match space {
        Space::Generic => resolve(address),
        // The address of a function's parameter is one in the stack.
        Space::Param if resolve(address).0 == Space::Local => resolve(address),
        _ => (space, address),
    };
    let request = Request { space: found, address: at, ..request };
    let span = match found {
        Space::Local => warp.local.get(lane).and_then(|local| local.span(at, count)),
        Space::Param if request.access == "read" => env.params.span(at, count),
        Space::Param => None,
        _ => return locate(env, warp, request),
    };
    match span {
        Some(span) if at & (count as u64 - 1) == 0 => Ok(span),
        _ => Err(refuse(env, request)),
    }
}

#[cold]
fn refuse(env: &Env, request: Request) -> Box<Trouble> {
    let Request { access, space, address, count: bytes, lane, .. } = request;
    let kind = if address & (bytes as u64 - 1) != 0 {
        FaultKind::Misaligned { access, bytes, address }
    } else {
        let place = match space {
            Space::Shared => env.shared.describe(address),
            Space::Local => {
                format!("is past the end of the thread's {} local bytes", env.program.local_bytes)
            }
            Space::Param => format!("is not in the {} bytes of parameters", env.program.parameter_bytes),
            _ => env.memory.describe(address),
        };
        FaultKind::OutOfBounds { access, bytes, address, place }
    };
    Trouble::at(kind, lane as u32, address)
}

/// Faults if one of `count` bytes was never written.
pub(crate) fn check_written(span: Span, request: Request, count: u32) -> Result<()> {
    match span.unwritten(count) {
        None => Ok(()),
        Some(first) => {
            let address = request.address + first as u64;
            let what = format!("byte {first} of the {count} at {:#x}", request.address);
            Err(Trouble::at(FaultKind::NeverWritten(what), request.lane as u32, address))
        }
    }
}

/// `ld`; what the registers got that nobody ever wrote.
pub(crate) fn load(
    env: &mut Env,
    warp: &mut Warp,
    access: &Access,
    mask: u32,
) -> Result<Vec<(Reg, usize, Unknown)>> {
    let mut unknown = Vec::new();
    let width = access.width;
    let count = width as u32 * access.elements.len() as u32;
    for lane in lanes(mask) {
        let address = warp.address(access.base, lane);
        let request = Request { access: "read", space: access.space, address, count, lane };
        let span = locate(env, warp, request)?;
        if access.constant {
            order(env, warp, request, Touching::Read, access.strength)?;
        } else {
            watch(env, warp, request, Touching::Read, access.strength)?;
        }
        if env.sanitize.unwritten && span.unwritten(count).is_some() {
            for (i, (reg, _)) in access.elements.iter().enumerate() {
                let mut bits = span.unknown(i * width as usize, width);
                if bits != 0 {
                    let byte = i as u32 * width as u32 + bits.trailing_zeros() / 8;
                    let origin = Some(env.origins.of(warp, request, byte));
                    if access.signed {
                        let unused = 64 - 8 * width as u32;
                        bits = ((bits << unused) as i64 >> unused) as u64;
                    }
                    unknown.push((*reg, lane, Unknown { bits, origin }));
                }
            }
        }
        for (i, (reg, wide)) in access.elements.iter().enumerate() {
            let mut value = span.read(i * width as usize, width);
            if access.signed {
                let unused = 64 - 8 * width as u32;
                value = ((value << unused) as i64 >> unused) as u64;
            }
            warp.set(*reg, *wide, lane, value);
        }
    }
    Ok(unknown)
}

/// `st`
pub(crate) fn store(env: &mut Env, warp: &mut Warp, access: &Access, mask: u32) -> Result<()> {
    let width = access.width;
    let count = width as u32 * access.elements.len() as u32;
    for lane in lanes(mask) {
        let address = warp.address(access.base, lane);
        let request = Request { access: "write", space: access.space, address, count, lane };
        let span = locate(env, warp, request)?;
        dependency::judge(env, warp, request)?;
        if let Some(watch) = &mut env.watch {
            // Warps that all store the same constants do no harm: what is there does not change.
            let learns = hand(watch, warp.agent, request, Touching::Write, access.strength);
            let same = || {
                access.elements.iter().enumerate().all(|(i, (reg, wide))| {
                    let (at, bits) = (i * width as usize, 8 * width as u32);
                    span.is_written(at, width as usize)
                        && span.read(at, width) == warp.get(*reg, *wide, lane) << (64 - bits) >> (64 - bits)
                })
            };
            let outcome = watch_own(watch, warp, request, (Touching::Write, access.strength), &same);
            warp.syncs += learns as u32;
            env.note(warp, outcome)?;
        }
        for (i, (reg, wide)) in access.elements.iter().enumerate() {
            span.write(i * width as usize, width, warp.get(*reg, *wide, lane));
        }
        span.mark(count);
        if env.sanitize.unwritten {
            store_unknown(env, warp, access, request, span)?;
        }
    }
    Ok(())
}

/// Judges an access by what nobody may be writing any more, and by races.
#[inline(always)]
pub(crate) fn watch(
    env: &mut Env,
    warp: &mut Warp,
    request: Request,
    touching: Touching,
    strength: Strength,
) -> Result<()> {
    dependency::judge(env, warp, request)?;
    order(env, warp, request, touching, strength)
}

/// Tells the race check of an access; strong ones also order what is around them.
#[inline(always)]
fn order(
    env: &mut Env,
    warp: &mut Warp,
    request: Request,
    touching: Touching,
    strength: Strength,
) -> Result<()> {
    match &mut env.watch {
        Some(watch) => {
            let learns = hand(watch, warp.agent, request, touching, strength);
            let outcome = watch_own(watch, warp, request, (touching, strength), &|| false);
            warp.syncs += learns as u32;
            env.note(warp, outcome)
        }
        None => Ok(()),
    }
}

/// What a strong access hears and lets know; true if something is known at once.
fn hand(watch: &mut Watch, agent: u32, request: Request, touching: Touching, strength: Strength) -> bool {
    if strength == Strength::Weak {
        return false;
    }
    match request.place() {
        (Space::Shared, at) => watch.hand(agent, at + SHARED_WINDOW, touching, strength),
        (Space::Global, at) => watch.hand(agent, at, touching, strength),
        _ => false,
    }
}

/// Checks an access of the warp's own to shared memory.
fn watch_own(
    watch: &mut Watch,
    warp: &Warp,
    request: Request,
    (touching, strength): (Touching, Strength),
    same: &dyn Fn() -> bool,
) -> Result<()> {
    let (Space::Shared, at) = request.place() else { return Ok(()) };
    let on_behalf = Behalf::Itself { strength, proxy: Proxy::Generic };
    watch.touch_with(warp.by(request.lane, on_behalf), touching, (at as u32, request.count), same)
}

/// Tells the race check of an access to shared memory that a lane makes for its whole warp.
pub(crate) fn watch_matrix(
    env: &mut Env,
    warp: &Warp,
    request: Request,
    touching: Touching,
    same: &dyn Fn() -> bool,
) -> Result<()> {
    let Some(watch) = &mut env.watch else { return Ok(()) };
    let on_behalf = Behalf::Itself { strength: Strength::Weak, proxy: Proxy::Generic };
    let own = warp.by(request.lane, on_behalf);
    // The address may be a generic one; its low half is the shared one.
    let place = (request.address as u32, request.count);
    watch.touch_with(By { collective: true, ..own }, touching, place, same)
}

/// The address in shared memory of a request that goes there.
fn resolve_shared(request: Request) -> u64 {
    if request.space == Space::Generic { resolve(request.address).1 } else { request.address }
}

/// Where a request really goes.
fn space_of(request: Request) -> Space {
    match request.space {
        Space::Generic => resolve(request.address).0,
        Space::Param if resolve(request.address).0 == Space::Local => Space::Local,
        space => space,
    }
}

/// A value that was never computed stays so in the cluster's memory, and must not leave it.
fn store_unknown(env: &Env, warp: &Warp, access: &Access, request: Request, span: Span) -> Result<()> {
    for (i, (reg, _)) in access.elements.iter().enumerate() {
        let touch = Touch::Row(*reg);
        if warp.known(touch) >> request.lane & 1 == 0 {
            let at = (i * access.width as usize, access.width);
            keep_unknown(env, warp, (touch, warp.unknown(touch, request.lane)), request, (span, at))?;
        }
    }
    Ok(())
}

/// Notes in memory what is not known of the value that was stored at an offset of `span`.
///
/// # Errors
/// It is global memory.
pub(crate) fn keep_unknown(
    env: &Env,
    warp: &Warp,
    (touch, unknown): (Touch, Unknown),
    request: Request,
    (span, (at, width)): (Span, (usize, u8)),
) -> Result<()> {
    let bits = unknown.bits << (64 - 8 * width as u32) >> (64 - 8 * width as u32);
    if bits != 0 && space_of(request) == Space::Global {
        return env.note(warp, Err(unknown.fault(env.program, touch, request.lane)));
    }
    span.mark_but(at, width, bits);
    if bits != 0 && space_of(request) == Space::Shared {
        let address = resolve_shared(request) + at as u64;
        env.origins.keep(address, width as u32, unknown.origin);
    }
    Ok(())
}

/// `atom`, `red`: lane after lane.
pub(crate) fn atomic(
    env: &mut Env,
    warp: &mut Warp,
    atomic: &Atomic,
    mask: u32,
) -> Result<Vec<(Reg, usize, Unknown)>> {
    let mut old_values = Vec::new();
    let count = atomic.width as u32;
    let wide = atomic.width == 8;
    let align = atomic.align as u64;
    for lane in lanes(mask) {
        let address = warp.address(atomic.base, lane);
        let request = Request { access: "atomic", space: atomic.space, address, count, lane };
        if address & (align - 1) != 0 {
            return Err(refuse(env, Request { count: align as u32, ..request }));
        }
        let span = locate(env, warp, request)?;
        watch(env, warp, request, Touching::Atomic, atomic.strength)?;
        let mut unknown = Unknown::default();
        if env.sanitize.unwritten && span.unwritten(count).is_some() {
            unknown = replaced(env, warp, atomic, request, span)?;
        }
        let (b, c) = (warp.get(atomic.b, wide, lane), warp.get(atomic.c, wide, lane));
        let old = span.update(atomic.width, |old| (atomic.update)(old, b, c));
        span.mark(count);
        if let Some(d) = atomic.d {
            warp.set(d, wide, lane, old);
            if env.sanitize.unwritten {
                old_values.push((d, lane, unknown));
            }
        }
    }
    Ok(old_values)
}

/// What an atomic finds that was never written is not known; it may only be replaced.
fn replaced(env: &Env, warp: &Warp, atomic: &Atomic, request: Request, span: Span) -> Result<Unknown> {
    let (wide, lane) = (atomic.width == 8, request.lane);
    let (b, c) = (warp.get(atomic.b, wide, lane), warp.get(atomic.c, wide, lane));
    let with = |old: u64| (atomic.update)(old, b, c);
    // What it compares or adds to shows in one of these.
    if with(b) != with(!b) || with(!b) != with(b ^ 1) {
        env.note(warp, check_written(span, request, request.count))?;
    }
    let bits = span.unknown(0, atomic.width);
    let origin = env.origins.of(warp, request, bits.trailing_zeros() / 8);
    Ok(Unknown { bits, origin: Some(origin) })
}
