//! Every plan is right, and what is taken from one or weakened is found.

use super::*;
use crate::choice::{BYTES, F32, F32_ROLES, SM80, SM90, TF32};
use crate::plan::attention::{Form, KEYS, VALUE_ROWS, VALUES};
use crate::plan::ring;
use crate::plan::roles::plan;
use crate::plan::{Named, NamedBarrier, each_step};
use crate::schedule::{
    F32Products, KvBox, OutputIn, PassTurn, Products, Rescale, Roles, Sizes, Sums, ValuesIn,
};

fn forms() -> Vec<Form> {
    let all = (0..128).map(|bits: usize| {
        let has = |bit: usize| bits >> bit & 1 == 1;
        Form {
            paged: has(0),
            output: has(1),
            direct: has(6),
            lse: has(2),
            planned: has(3) || has(0),
            partial: has(3),
            conditions: has(4),
            ends_with_condition: has(4) && has(5),
        }
    });
    let is_one = |form: &Form| {
        (form.output || form.lse)
            && (form.conditions || !form.ends_with_condition)
            // What leaves straight from the accumulators does so whatever came before.
            && (!form.direct || form.output && !form.partial && !form.conditions)
    };
    all.filter(is_one).collect()
}

/// Plans of every row of all tables, in every form, with V in tiles of its own and in K's.
fn plans() -> Vec<(String, Plan)> {
    let mut plans = Vec::new();
    let places = [ValuesIn::Own, ValuesIn::Keys];
    for (row, values) in SM90.iter().flat_map(|row| places.map(|values| (row, values))) {
        let mut roles = row.schedule();
        in_keys(&mut roles.sizes, values);
        for form in forms() {
            for output in [OutputIn::Own, OutputIn::OverQuery] {
                for pass in [PassTurn::Issued, PassTurn::Scored] {
                    let roles = Roles { output, pass, ..roles };
                    plans.push((format!("{row} {values:?} {form:?} {output} {pass}"), plan(&roles, form)));
                }
            }
            if form.paged {
                let roles = Roles { kv_box: KvBox::Rows, ..roles };
                plans.push((format!("{row} {values:?} {form:?}, by rows"), plan(&roles, form)));
            }
            if roles.consumers() < 3 {
                let sizes = Sizes { widens: true, ..roles.sizes };
                let roles = Roles { kv_box: KvBox::Rows, sizes, ..roles };
                plans.push((format!("{row} {values:?} {form:?}, widened"), plan(&roles, form)));
            }
        }
    }
    for (row, values) in F32_ROLES.iter().flat_map(|row| places.map(|values| (row, values))) {
        let mut roles = row.schedule_of_f32();
        in_keys(&mut roles.sizes, values);
        for form in forms() {
            plans.push((format!("{row} {values:?} {form:?}, of f32"), plan(&roles, form)));
        }
    }
    // Of 8 bits V is transposed by a role, or comes as it is, of a cache; and products add up at two levels, or one.
    for (row, form) in BYTES.iter().flat_map(|row| forms().into_iter().map(move |form| (row, form))) {
        let roles = row.schedule_of_bytes();
        for sums in [Sums::TwoLevels, Sums::OneLevel] {
            let transposing = Roles { transposes: true, sums, ..roles };
            plans.push((format!("{row} {form:?} {sums}, transposing"), plan(&transposing, form)));
            if form.paged {
                let by_rows = Roles { kv_box: KvBox::Rows, ..transposing };
                plans.push((format!("{row} {form:?} {sums}, transposing, by rows"), plan(&by_rows, form)));
                let stored = Roles { sums, ..roles };
                plans.push((format!("{row} {form:?} {sums}, stored transposed"), plan(&stored, form)));
            }
        }
    }
    // Either way to multiply f32 has the same steps.
    let of_f32 = Products::F32(F32Products::default());
    let rows =
        SM80.iter().map(|row| (row, Products::Halves)).chain(F32.iter().chain(TF32).map(|row| (row, of_f32)));
    for ((row, products), values) in rows.flat_map(|row| places.map(|values| (row, values))) {
        for form in forms() {
            // How often O shrinks has nothing to do with what tiles are of.
            let rescales = [Rescale::GROWN, Rescale::Always].into_iter();
            for rescale in rescales.take(if products == of_f32 { 1 } else { 2 }) {
                let mut ring = row.schedule();
                (ring.sizes.rescale, ring.sizes.products) = (rescale, products);
                in_keys(&mut ring.sizes, values);
                plans.push((
                    format!("{row:?} {values:?} {products:?} {form:?} {rescale:?}"),
                    ring::plan(&ring, form),
                ));
                if products == Products::Halves && rescale == Rescale::GROWN {
                    ring.sizes.widens = true;
                    plans.push((format!("{row:?} {values:?} {form:?}, widened"), ring::plan(&ring, form)));
                }
            }
        }
    }
    plans
}

fn in_keys(sizes: &mut Sizes, values: ValuesIn) {
    if values == ValuesIn::Keys {
        (sizes.values, sizes.stages) = (values, 2 * sizes.stages);
    }
}

#[test]
fn every_plan_is_right() {
    for (what, plan) in plans() {
        assert_eq!(verify(&plan), Ok(()), "{what}\n{plan}");
    }
}

/// What may be done to a body: the node at `path` goes, or is weakened.
fn mutants(plan: &Plan) -> Vec<(String, String, Plan)> {
    let mut mutants = Vec::new();
    for at in 0..plan.set_up.len() {
        let mut mutant = plan.clone();
        let step = mutant.set_up.remove(at);
        mutants.push((kind(&step), format!("set-up without `{}`", plan.line(&step)), mutant));
    }
    for role in 0..plan.roles.len() {
        let mut lines = Vec::new();
        each_step(&plan.roles[role].body, &mut |step| lines.push(plan.line(step)));
        for target in 0..lines.len() {
            let same_before = lines[..target].iter().filter(|line| **line == lines[target]).count();
            for weaker in [false, true] {
                let mut mutant = plan.clone();
                let mut at = 0;
                let mut done = None;
                change(&mut mutant.roles[role].body, &mut at, target, weaker, &mut done);
                let Some(step) = done else { continue };
                let kind = kind(&step);
                let place = if same_before == 0 { "the first" } else { "a later" };
                let what = format!("{} without {place} `{}`", plan.roles[role].name, plan.line(&step));
                let what = if weaker { format!("{what}, but weaker") } else { what };
                mutants.push((kind, what, mutant));
            }
        }
    }
    mutants
}

/// Removes or weakens the step numbered `target`, and says which it was.
fn change(nodes: &mut Vec<Node>, at: &mut usize, target: usize, weaker: bool, done: &mut Option<Step>) {
    let mut index = 0;
    while index < nodes.len() {
        match &mut nodes[index] {
            Node::Step(step) => {
                if *at == target {
                    let before = step.clone();
                    match step {
                        Step::AwaitProducts(left) if weaker => *left += 1,
                        // What comes later is awaited longer.
                        Step::AwaitEmpty(view) if weaker && view.ago > 0 => return,
                        Step::AwaitFull(view)
                        | Step::AwaitEmpty(view)
                        | Step::Release(view)
                        | Step::FillOnceCopied(view)
                        | Step::Copy { to: view, .. }
                        | Step::CopyConverted { to: view, .. }
                        | Step::WriteConverted { to: view, .. }
                        | Step::Transpose { to: view, .. }
                        | Step::Multiply { b: view, .. }
                            if weaker && [KEYS, VALUES, VALUE_ROWS].contains(&view.buffer) =>
                        {
                            view.ago = 1 - view.ago;
                        }
                        _ if weaker => return,
                        _ => _ = nodes.remove(index),
                    }
                    *done = Some(before);
                    *at += 1;
                    return;
                }
                *at += 1;
            }
            Node::Items { next, each, last } => {
                for part in [next, each, last] {
                    change(part, at, target, weaker, done);
                }
            }
            Node::Columns { first, each, last } => {
                for part in first.iter_mut().chain([each, last]) {
                    change(part, at, target, weaker, done);
                }
            }
            Node::If { then, otherwise, .. } => {
                for part in [then, otherwise] {
                    change(part, at, target, weaker, done);
                }
            }
        }
        if done.is_some() {
            return;
        }
        index += 1;
    }
}

/// What sort of step it is.
fn kind(step: &Step) -> String {
    let name = format!("{step:?}");
    let name = name.split([' ', '(', '{']).next().unwrap_or_default();
    match step {
        Step::Compute(Compute { what, .. }) => {
            let name = format!("{what:?}");
            name.split(' ').next().unwrap_or_default().to_owned()
        }
        _ => name.to_owned(),
    }
}

/// Arithmetic, of which a plan cannot tell whether it is right, and stores straight from registers.
const ARITHMETIC: [&str; 15] = [
    "Conditions",
    "Scores",
    "RowMaxima",
    "RaiseMaxima",
    "Growth",
    "MoveMaxima",
    "Exponentials",
    "AddToSums",
    "Pin",
    "Rescale",
    "RowSums",
    "StoreLse",
    "StoreDirect",
    "StorePartial",
    "StoreNothing",
];

const LATER: &str = "who arrives has all its copies, writes and fences before behind it: who waits for a later tile has waited for these";

fn transposes(plan: &Plan) -> bool {
    plan.roles.iter().any(|role| role.name == "transposer")
}

/// Of a plan with a transposer its first wait for an empty slot of V, and the producer's for one of the rows beside a tile of K.
const BEHIND: &str = "consumers release Q, and a tile of K, once they have waited for the V before, and what it is made of is copied behind these";

/// What may go without the plan being wrong, and why.
fn may_go(kind: &str, mutation: &str, plan: &Plan) -> Option<&'static str> {
    let takes_turns = {
        let mut found = false;
        plan.roles.iter().for_each(|role| each_step(&role.body, &mut |s| found |= *s == Step::TakeTurn));
        found
    };
    let copies_rows = plan.shared(KEYS).barriers.is_some_and(|barriers| barriers.fills > 1);
    let splits = {
        let mut found = false;
        let is_split = |step: &Step| matches!(step, Step::CopyConverted { .. } | Step::WriteConverted { .. });
        plan.roles.iter().for_each(|role| each_step(&role.body, &mut |step| found |= is_split(step)));
        found
    };
    let transposes = transposes(plan);
    let warps: usize = plan.roles.iter().map(|role| role.copies * role.warps).sum();
    match kind {
        "Meet" if warps == 1 => Some("a block of one warp, whose lanes it lets meet"),
        "AwaitCopies" | "Convert" if warps == 1 && asks(&plan.roles[0].body, Condition::KeepsAny) => Some(
            "where a tile is passed over, V is made ready for the sake of other warps, of which there are none",
        ),
        "MeetWarp" => Some("a warp is one thread here; the emulator, which has lanes, objects"),
        "Read" => Some("what is read again has been read before: to keep it would cost registers"),
        "AwaitFull" if copies_rows || transposes && mutation.ends_with("V@1`, but weaker") => Some(LATER),
        "AwaitEmpty"
            if transposes && mutation.starts_with("producer without the first `await empty V rows@1`") =>
        {
            Some(BEHIND)
        }
        "AwaitEmpty" if mutation.starts_with("transposer without the first `await empty V@0`") => {
            Some(BEHIND)
        }
        "FenceProxy" if splits => Some(LATER),
        "FenceProducts" if !takes_turns => {
            Some("behind a wait that stands between products ptxas wants one more, or complains (C7519)")
        }
        _ => None,
    }
}

#[test]
fn mutants_of_every_plan_are_found() {
    let mut survivors: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut excused: BTreeMap<&str, usize> = BTreeMap::new();
    // Where a ring has one slot, the tile of now and the one before are in the same.
    let has_slots = |plan: &Plan| plan.roles.len() == 1 || plan.shared(KEYS).slots > 1;
    let mut transposing = 0;
    for (what, plan) in plans().into_iter().filter(|(_, plan)| has_slots(plan)).step_by(59) {
        transposing += usize::from(transposes(&plan));
        for (kind, mutation, mutant) in mutants(&plan) {
            if ARITHMETIC.contains(&kind.as_str()) {
                continue;
            }
            *counts.entry(kind.clone()).or_default() += 1;
            if verify(&mutant).is_ok() {
                match may_go(&kind, &mutation, &plan) {
                    Some(why) => *excused.entry(why).or_default() += 1,
                    None => survivors.entry(kind).or_default().push(format!("{mutation} of {what}")),
                }
            }
        }
    }
    let total: usize = counts.values().sum();
    println!("{total} mutants of plans: {counts:?}");
    for (why, count) in &excused {
        println!("{count} excused: {why}");
    }
    for (kind, all) in &survivors {
        println!("{kind}: {} survive, {}", all.len(), all[0]);
    }
    assert!(survivors.is_empty() && excused.len() <= 7);
    // Of each plan the two waits, and no others.
    assert_eq!(excused.get(BEHIND), Some(&(2 * transposing)));
}

/// Counts of barriers and places in shared memory.
#[test]
fn numbers_of_plans_are_held() {
    type Change = (&'static str, fn(&mut Shared));
    let changes: [Change; 5] = [
        ("one arrival more", |shared| {
            if let Some(barriers) = &mut shared.barriers {
                barriers.empties += 1;
            }
        }),
        ("one fill more", |shared| {
            if let Some(barriers) = &mut shared.barriers {
                barriers.fills += 1;
            }
        }),
        ("a slot more", |shared| shared.slots += 1),
        ("sixteen bytes on", |shared| shared.offset += 16),
        ("barriers of another", |shared| {
            if let Some(barriers) = &mut shared.barriers {
                barriers.offset += crate::plan::BARRIER_BYTES;
            }
        }),
    ];
    for (what, plan) in plans().into_iter().step_by(31) {
        for index in 0..plan.buffers.len() {
            for (how, change) in changes {
                let mut mutant = plan.clone();
                let Place::Shared(shared) = &mut mutant.buffers[index].place else { continue };
                let before = shared.clone();
                change(shared);
                if *shared != before {
                    let name = plan.buffers[index].name;
                    assert!(verify(&mutant).is_err(), "{name} with {how} of {what}");
                }
            }
        }
    }
}

/// Numbers of named barriers, and the threads that make a phase of one.
#[test]
fn named_barriers_of_plans_are_held() {
    type Change = (&'static str, fn(&mut Vec<NamedBarrier>, usize));
    let changes: [Change; 5] = [
        ("gone", |named, at| {
            named.remove(at);
        }),
        ("past the sixteenth", |named, at| named[at].number = 16),
        ("another's number", |named, at| named[at].number = named[(at + 1) % named.len()].number),
        ("a warp less", |named, at| named[at].threads -= 32),
        ("of nobody", |named, at| named[at].copy += 16),
    ];
    for (what, plan) in plans().into_iter().step_by(31) {
        let mut met = Vec::new();
        let mut look = |step: &Step| match step {
            Step::Meet(meeting) => met.push(Named::Meet(*meeting)),
            Step::TakeTurn => met.push(Named::Turn),
            _ => {}
        };
        plan.set_up.iter().for_each(&mut look);
        plan.roles.iter().for_each(|role| each_step(&role.body, &mut look));
        // Who stores partial results meets no warpgroup.
        for at in (0..plan.named.len()).filter(|at| met.contains(&plan.named[*at].of)) {
            for (how, change) in changes {
                let mut mutant = plan.clone();
                change(&mut mutant.named, at);
                let of = plan.named[at];
                // With one role the block is the warps of it; else some have none, and only who is fewer is too few.
                let spare =
                    (of.of, how) == (Named::Meet(Meeting::Block), "a warp less") && plan.roles.len() > 1;
                let alone = how == "another's number" && plan.named.len() == 1;
                if !spare && !alone {
                    assert!(verify(&mutant).is_err(), "{of:?} {how} of {what}");
                }
            }
        }
    }
}

/// Of the producer that splits a fence may go, for a later one shows what was written before it: but not all, nor the last.
#[test]
fn no_tile_that_is_split_goes_without_a_fence() {
    let is_fence = |node: &Node| *node == Node::Step(Step::FenceProxy);
    fn each_body(nodes: &mut Vec<Node>, change: &mut impl FnMut(&mut Vec<Node>)) {
        change(nodes);
        for node in nodes {
            match node {
                Node::Step(_) => {}
                Node::Items { next, each, last } => {
                    [next, each, last].into_iter().for_each(|nodes| each_body(nodes, change));
                }
                Node::Columns { first, each, last } => {
                    first.iter_mut().chain([each, last]).for_each(|nodes| each_body(nodes, change));
                }
                Node::If { then, otherwise, .. } => {
                    [then, otherwise].into_iter().for_each(|nodes| each_body(nodes, change));
                }
            }
        }
    }
    for row in F32_ROLES {
        let form = Form { output: true, direct: true, ..Form::default() };
        let mut without = plan(&row.schedule_of_f32(), form);
        assert_eq!(verify(&without), Ok(()), "{row}");
        each_body(&mut without.roles[0].body, &mut |nodes| nodes.retain(|node| !is_fence(node)));
        assert!(verify(&without).is_err_and(|fault| fault.what.contains("no fence")), "{row}");
        let mut without_last = plan(&row.schedule_of_f32(), form);
        each_body(&mut without_last.roles[0].body, &mut |nodes| {
            if let Some(last) = nodes.iter().rposition(is_fence) {
                nodes.remove(last);
            }
        });
        assert!(verify(&without_last).is_err_and(|fault| fault.what.contains("no fence")), "{row}");
    }
}

/// Every byte of a tile is a number's, whatever the tile is of: rows are as wide as the schedule says.
#[test]
fn tiles_are_full() {
    use crate::schedule::Schedule;
    let of_f32 = F32.iter().chain(TF32).map(|row| {
        let mut ring = row.schedule();
        ring.sizes.products = Products::F32(F32Products::default());
        Schedule::from(ring)
    });
    let split = F32_ROLES.iter().map(|row| Schedule::from(row.schedule_of_f32()));
    let others = SM80.iter().map(|row| Schedule::from(row.schedule()));
    let of_roles = SM90.iter().map(|row| Schedule::from(row.schedule()));
    for schedule in of_f32.chain(split).chain(others).chain(of_roles) {
        assert_eq!(schedule.padding_bytes(), 0, "{schedule}");
    }
}
