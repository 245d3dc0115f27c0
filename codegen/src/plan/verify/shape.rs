//! What can be told of a plan without running it: where buffers lie, and whether factors fit each other.

use super::Fault;
use crate::plan::{
    BARRIER_BYTES, Barriers, BufferId, Compute, Function, Meeting, Named, NamedBarrier, Place, Plan, Shared,
    Step, each_step,
};

/// Shared memory and barriers are laid out one after the other, and nothing lies over anything but O over Q.
pub(super) fn limits(plan: &Plan) -> Result<(), Fault> {
    let fault = |what: String| Err(Fault { at: "shared memory".to_owned(), what });
    let mut ranges = Vec::new();
    for buffer in &plan.buffers {
        let Place::Shared(shared) = &buffer.place else { continue };
        let name = buffer.name;
        for slot in 0..shared.slots {
            let from = shared.offset + slot * shared.stride;
            ranges.push((from, from + shared.bytes, name, shared.slots));
        }
        if let Some(Barriers { offset, .. }) = shared.barriers {
            ranges.push((offset, offset + shared.slots * 2 * BARRIER_BYTES, name, 0));
        }
        if let Some(layout) = shared.layout
            && (layout.bytes() != shared.bytes || !shared.offset.is_multiple_of(layout.align()))
        {
            return fault(format!("{name} at {} does not fit its layout, {layout:?}", shared.offset));
        }
    }
    ranges.sort_unstable();
    // O may lie over Q, and either be the wider.
    ranges.dedup_by(|next, kept| {
        let is_over = next.0 == kept.0 && (next.3, kept.3) == (1, 1);
        kept.1 = if is_over { kept.1.max(next.1) } else { kept.1 };
        is_over
    });
    for pair in ranges.windows(2) {
        if pair[0].1 > pair[1].0 {
            return fault(format!("{} and {} overlap at {}", pair[0].2, pair[1].2, pair[1].0));
        }
    }
    match ranges.last() {
        Some((_, end, name, _)) if *end > plan.shared_bytes => {
            fault(format!("{name} ends at {end}, behind the {} bytes that there are", plan.shared_bytes))
        }
        _ => Ok(()),
    }
}

/// Named barriers have numbers of their own, and each step that meets somebody has its barrier, of as many threads.
pub(super) fn named(plan: &Plan) -> Result<(), Fault> {
    let mut numbers: Vec<usize> = plan.named.iter().map(|barrier| barrier.number).collect();
    numbers.sort_unstable();
    if numbers.windows(2).any(|pair| pair[0] == pair[1]) || numbers.last().is_some_and(|last| *last > 15) {
        let what = format!("numbers {numbers:?}: each of 0 to 15 once at most");
        return Err(Fault { at: "named barriers".to_owned(), what });
    }
    for step in &plan.set_up {
        let Step::Meet(meeting) = step else { continue };
        // Some of a block's warps may have no role.
        let least: usize = plan.roles.iter().map(|role| 32 * role.copies * role.warps).sum();
        let found =
            plan.named.iter().find(|barrier| (barrier.of, barrier.copy) == (Named::Meet(*meeting), 0));
        if found.is_none_or(|barrier| barrier.threads < least) {
            let what = format!("a barrier of at least {least} threads is needed; it has {found:?}");
            return Err(Fault { at: plan.line(step), what });
        }
    }
    for role in &plan.roles {
        let mut met = Vec::new();
        each_step(&role.body, &mut |step| match step {
            Step::Meet(meeting) => met.push((plan.line(step), Named::Meet(*meeting))),
            Step::TakeTurn | Step::PassTurn => met.push((plan.line(step), Named::Turn)),
            _ => {}
        });
        let of_copy = 32 * role.warps;
        for (at, of) in met {
            let (copies, threads) = match of {
                Named::Meet(Meeting::Block | Meeting::Consumers | Meeting::Transposers) => {
                    (1, role.copies * of_copy)
                }
                Named::Meet(Meeting::Alone) => (role.copies, of_copy),
                Named::Turn => (role.copies, 2 * of_copy),
            };
            for copy in 0..copies {
                let is_its = |barrier: &&NamedBarrier| (barrier.of, barrier.copy) == (of, copy);
                let found = plan.named.iter().find(is_its).map(|barrier| barrier.threads);
                if found != Some(threads) {
                    let what = format!("a barrier of {threads} threads is needed; it has {found:?}");
                    return Err(Fault { at, what });
                }
            }
        }
    }
    Ok(())
}

/// Before roles part barriers are made, and so is everything else that they find there: then all meet.
pub(super) fn set_up(plan: &Plan) -> Result<(), Fault> {
    let fault = |what: &str| Err(Fault { at: "set-up".to_owned(), what: what.to_owned() });
    let (mut made, mut written, mut told) = (false, false, true);
    for step in &plan.set_up {
        match step {
            Step::InitBarriers => (made, told) = (true, false),
            Step::Compute(Compute { writes, .. }) if !writes.is_empty() => (written, told) = (true, false),
            Step::FenceProxy => written = false,
            Step::Meet(Meeting::Block) if written => {
                return fault("what is written by ordinary writes is met for without a proxy fence");
            }
            Step::Meet(Meeting::Block) => told = true,
            _ => {}
        }
    }
    let needs_barriers = !plan.mbarriers().is_empty();
    let (mut boxes, mut copies) = (false, false);
    let mut listed = plan.set_up.contains(&Step::AwaitGrid);
    for role in &plan.roles {
        each_step(&role.body, &mut |step| {
            boxes |= matches!(step, Step::Copy { .. });
            copies |= matches!(step, Step::Copy { .. } | Step::CopyConverted { .. } | Step::AskFor { .. });
        });
    }
    listed |= !plan.planned;
    let clears = plan.set_up.iter().any(|step| matches!(step, Step::Compute(_)));
    match () {
        () if needs_barriers && !made => fault("no barrier is initialised"),
        () if !told => fault("roles part before all have met"),
        () if boxes && !clears => fault("rows that no copy reaches hold anything"),
        () if copies && !listed => fault("the grid before this one may still write"),
        () => Ok(()),
    }
}

/// Both factors of a product have the contracted axis, as long and in the same order. What is rounded for one is one's.
pub(super) fn factors(plan: &Plan) -> Result<(), Fault> {
    for role in &plan.roles {
        let mut products = Vec::new();
        let mut rounded = Vec::new();
        each_step(&role.body, &mut |step| {
            if let Step::Multiply { a, b, transposed, .. } | Step::MultiplyAtOnce { a, b, transposed, .. } =
                step
            {
                products.push((plan.line(step), *a, *b, *transposed, role.warp_rows));
            }
        });
        each_step(&role.body, &mut |step| {
            if let Step::Compute(Compute { what: Function::Round, writes, .. }) = step {
                rounded.extend(writes.iter().map(|view| (plan.line(step), view.buffer)));
            }
        });
        let is_factor = |buffer: BufferId| products.iter().any(|(_, a, ..)| a.buffer == buffer);
        if let Some((at, buffer)) = rounded.into_iter().find(|(_, buffer)| !is_factor(*buffer)) {
            let what = format!("{} is multiplied with nothing", plan.buffer(buffer).name);
            return Err(Fault { at, what });
        }
        for (line, a, b, transposed, rows_of_warp) in products {
            let Place::Shared(Shared { layout: Some(second), .. }) = &plan.buffer(b.buffer).place else {
                return Err(Fault {
                    at: line,
                    what: "the second factor is no tile of shared memory".to_owned(),
                });
            };
            // In elements: along rows of the head dimension, or over rows.
            let bytes = plan.products.element_bytes();
            let of_second = if transposed { second.rows() } else { second.row_bytes() / bytes };
            let of_first = match &plan.buffer(a.buffer).place {
                Place::Shared(Shared { layout: Some(first), .. }) if !transposed => first.row_bytes() / bytes,
                // A warp's rows over its 32 lanes, of which each register has four bytes.
                Place::Registers { each, .. } => 32 * 4 * each / bytes / rows_of_warp.max(1),
                place => return Err(Fault { at: line, what: format!("the first factor is in {place:?}") }),
            };
            if of_first != of_second {
                let what = format!("{of_first} elements of the first factor meet {of_second} of the second");
                return Err(Fault { at: line, what });
            }
        }
    }
    Ok(())
}
