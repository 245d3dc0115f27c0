//! Loads, stores, atomics and asynchronous copies.

use super::asynchrony::Copy;
use super::block::Env;
use super::order::Engine;
use super::stamp::Proxy;
use super::unknown::Unknown;
use super::warp::Warp;
use super::watch::{Behalf, By, Touching, Watch};
use super::{Result, defined, dependency, lanes};
use crate::address::{SHARED_WINDOW, Space, resolve};
use crate::fault::{FaultKind, Trouble};
use crate::memory::Span;
use crate::program::{Access, Address, AsyncCopy, Atomic, Reg, Strength, Touch};

/// The address that a lane computes.
#[inline(always)]
pub(crate) fn address(warp: &Warp, base: Address, lane: usize) -> u64 {
    warp.get(base.base, base.wide, lane).wrapping_add_signed(base.offset)
}

/// What a lane is about to touch.
#[derive(Clone, Copy)]
pub(crate) struct Request {
    /// `read`, `write`, `atomic`
    pub access: &'static str,
    pub space: Space,
    pub address: u64,
    pub count: u32,
    pub lane: usize,
}

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
        let address = address(warp, access.base, lane);
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
        let address = address(warp, access.base, lane);
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

/// The space of a request's address, and the address there.
fn place_of(request: Request) -> (Space, u64) {
    match request.space {
        Space::Generic => resolve(request.address),
        space => (space, request.address),
    }
}

/// What a strong access hears and lets know; true if something is known at once.
fn hand(watch: &mut Watch, agent: u32, request: Request, touching: Touching, strength: Strength) -> bool {
    if strength == Strength::Weak {
        return false;
    }
    match place_of(request) {
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
    let (Space::Shared, at) = place_of(request) else { return Ok(()) };
    let on_behalf = Behalf::Itself { strength, proxy: Proxy::Generic };
    watch.touch_with(By::lane(warp, request.lane, on_behalf), touching, (at as u32, request.count), same)
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
    let own = By::lane(warp, request.lane, on_behalf);
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
        return env.note(warp, Err(defined::never(env, touch, request.lane, unknown)));
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
        let address = address(warp, atomic.base, lane);
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

/// `cp.async`: addresses are checked now, bytes move when the copy lands.
pub(crate) fn async_copy(env: &mut Env, warp: &mut Warp, copy: &AsyncCopy, mask: u32) -> Result<()> {
    let mut issued = Copy::new(copy.bytes, mask);
    let ignored = copy.ignore_source.map_or(0, |p| warp.condition(p));
    for lane in lanes(mask) {
        let to = address(warp, copy.to, lane);
        let to = if copy.to_space == Space::Generic { resolve(to).1 } else { to };
        let from = address(warp, copy.from, lane);
        let bytes = copy.bytes as u32;
        let asked = copy.source_bytes.map_or(bytes, |reg| warp.row(reg)[lane]).min(bytes);
        let read = if ignored >> lane & 1 != 0 { 0 } else { asked };
        let request = Request { access: "write", space: Space::Shared, address: to, count: bytes, lane };
        locate(env, warp, request)?;
        if let Some(watch) = &mut env.watch {
            let on_behalf = Behalf::Engine(Engine::Copies, warp.copies.next_number());
            let by = By::lane(warp, lane, on_behalf);
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
pub(crate) fn land(env: &Env, warp: &mut Warp, copy: &Copy) -> Result<()> {
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
