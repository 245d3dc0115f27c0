//! What is said of a Hopper kernel against its PTX: barriers where the plan has them, with its counts and numbers.

use flashpage_codegen::abi::AbiType;
use flashpage_codegen::analysis::attention::recognise;
use flashpage_codegen::choice::{RolesRow, SM90_TUNED, choose};
use flashpage_codegen::plan::{BARRIER_BYTES, Meeting, Named, NamedBarrier};
use flashpage_codegen::program::DType;
use flashpage_codegen::schedule::{Copies, Roles, Schedule, Tuning};
use flashpage_codegen::{Arch, Compiled, HeadDim, Program, ShapeClass, Spec, Work, compile, frontend};

const KERNELS: &str = include_str!("../../src/kernels.rs");

fn kernel(name: &str) -> Program {
    frontend::parse_file(KERNELS, Some(name)).expect("a stock kernel")
}

fn spec(head_dim: impl Into<HeadDim>, shape: ShapeClass, block_size: Option<usize>) -> Spec {
    let (arch, dtype, tuning) = (Arch::Sm90a, DType::F16, Tuning::default());
    Spec {
        arch,
        dtype,
        kv_dtype: dtype,
        output: dtype,
        head_dim: head_dim.into(),
        block_size,
        shape,
        tuning,
        work: Work::Grid,
        values: Default::default(),
        fold_scale: true,
    }
}

/// Every kernel of the table, contiguous and paged.
fn compiled() -> Vec<Compiled> {
    let kernels = [
        ("attention", None),
        ("causal_attention", None),
        ("paged_attention", Some(16)),
        ("paged_attention", Some(24)),
        ("paged_attention", Some(2)),
    ];
    let mut all = Vec::new();
    for (name, block_size) in kernels {
        let program = kernel(name);
        for &head_dim in SM90_TUNED {
            for shape in ShapeClass::ALL {
                all.push(
                    compile(&program, &spec(head_dim, shape, block_size)).expect("a kernel of the table"),
                );
            }
        }
    }
    all
}

#[test]
fn barriers_of_the_plan_are_those_of_the_kernel() {
    for Compiled { schedule, plan, module, entry, dynamic_shared_bytes, .. } in compiled() {
        let text = flashpage_ptx::print(&module);
        assert_eq!(dynamic_shared_bytes as usize, schedule.shared_bytes(), "{entry}");
        for (index, (buffer, slot, side, arrivals)) in plan.mbarriers().into_iter().enumerate() {
            let at = match index {
                0 => "[%barriers0]".to_owned(),
                index => format!("[%barriers0+{}]", index * BARRIER_BYTES),
            };
            let line = format!("mbarrier.init.shared.b64 {at}, {arrivals};");
            assert!(text.contains(&line), "{entry}: {side:?} of {} {slot}: no `{line}`", buffer.name);
        }
        for NamedBarrier { of, copy, number, threads } in &plan.named {
            // Of turns and of barriers of one warpgroup only the first's number is a constant.
            let line = match (of, copy) {
                (Named::Meet(Meeting::Block), _) => format!("bar.sync {number};"),
                (Named::Meet(Meeting::Consumers), _) => format!("bar.sync {number}, {threads};"),
                (Named::Meet(Meeting::Alone), 0) => format!("add.u32 %alone0, %warpgroup0, {number};"),
                (Named::Turn, 0) => format!("add.u32 %turn0, %warpgroup0, {number};"),
                _ => continue,
            };
            assert!(text.contains(&line), "{entry}: {of:?} has no `{line}`");
        }
        assert_eq!(text.matches("mbarrier.init").count(), plan.mbarriers().len(), "{entry}");
        assert_eq!(roles(&schedule).take_turns(), text.contains("%turn0"), "{entry}");
    }
}

fn roles(schedule: &Schedule) -> &Roles {
    schedule.roles().expect("kernels for Hopper have roles")
}

#[test]
fn boxes_of_the_plan_are_those_of_the_kernel() {
    for Compiled { schedule, module, entry, .. } in compiled() {
        let roles = roles(&schedule);
        let (keys, values, query) = (roles.key_copies(), roles.value_copies(), roles.query_copies());
        // Whole tiles: the boxes' bytes are those that a full barrier waits for.
        let bytes = |copies: Copies| copies.boxes * copies.rows * copies.row_bytes;
        assert_eq!(bytes(keys) + bytes(values), schedule.kv_bytes(), "{entry}");
        assert_eq!(
            query.boxes * query.rows * query.row_bytes,
            schedule.rows * schedule.head_dim.qk * 2,
            "{entry}"
        );
        let text = flashpage_ptx::print(&module);
        // K and V of the rightmost tile and of the others, a box for each lane, or chunks of rows by all; and Q.
        let boxes = text.matches("mbarrier::complete_tx::bytes").count();
        let chunks = text.matches("cp.async.cg").count();
        match roles.copies_rows() {
            true => {
                assert_eq!((boxes, chunks), (1, 2 * (bytes(keys) + bytes(values)) / (32 * 16)), "{entry}")
            }
            false => {
                assert!(keys.boxes.max(values.boxes) <= 32, "{entry}");
                assert_eq!((boxes, chunks), (4 + 1, 0), "{entry}");
            }
        }
    }
}

#[test]
fn a_schedule_knows_its_row() {
    let attention = recognise(&kernel("causal_attention"), true).expect("attention");
    for &head_dim in SM90_TUNED {
        for shape in ShapeClass::ALL {
            let row = RolesRow::of(&spec(head_dim, shape, None), &attention).expect("a row");
            assert_eq!((row.head_dim, row.shape), (head_dim, shape));
            let chosen = choose(&spec(head_dim, shape, None), &attention);
            assert_eq!(chosen, Ok(row.schedule().into()));
        }
    }
    let old = Spec { arch: Arch::Sm80, ..spec(128, ShapeClass::Prefill, None) };
    assert_eq!(RolesRow::of(&old, &attention), None);
}

#[test]
fn copies_say_what_the_cache_is_to_keep_and_maps_are_fetched_first() {
    // Of Q, and of each of the four copies of K and V.
    let kept = |shape| match shape {
        ShapeClass::Prefill => ("%evict_first", Some("%evict_last")),
        ShapeClass::Append => ("%evict_first", None),
        ShapeClass::Decode => ("%evict_first", Some("%evict_first")),
    };
    for Compiled { module, entry, abi, .. } in compiled() {
        let text = flashpage_ptx::print(&module);
        let shape =
            ShapeClass::ALL.into_iter().find(|shape| entry.contains(shape.as_str())).expect("a shape");
        let (of_query, of_keys) = kept(shape);
        // Rows by lanes, or boxes.
        let copies = ["cp.async.cg", "mbarrier::complete_tx::bytes"];
        let mut policies: Vec<Option<&str>> = text
            .lines()
            .filter(|line| copies.iter().any(|copy| line.contains(copy)))
            .map(|line| {
                let last = line.rsplit(' ').next().map(|last| last.trim_end_matches(';'));
                // Each copy makes its policy itself: they differ by number.
                let policy = last.map(|last| last.trim_end_matches(|c: char| c.is_ascii_digit()));
                policy.filter(|_| line.contains("L2::cache_hint"))
            })
            .collect();
        policies.sort_unstable();
        let by_lanes = text.matches(copies[0]).count();
        let mut expected = vec![of_keys; if by_lanes > 0 { by_lanes } else { 4 }];
        expected.push(Some(of_query));
        expected.sort_unstable();
        assert_eq!(policies, expected, "{entry}");
        let maps = abi.iter().filter(|arg| arg.ty == AbiType::TensorMap).count();
        let first_copy = text.find("cp.async.bulk.tensor.").expect("copies");
        let producer = text.find("PRODUCER").expect("a producer");
        let fetched = text.match_indices("prefetch.tensormap").map(|(at, _)| at);
        // Consumers stand first in the text, and copy O.
        assert!(first_copy < producer, "{entry}");
        let first_load = text.find("mbarrier::complete_tx::bytes").expect("loads");
        assert!(fetched.clone().all(|at| producer < at && at < first_load), "{entry}");
        assert_eq!(fetched.count(), maps, "{entry}");
    }
}

/// A planned kernel waits for the grid before it once, in every thread, behind all that needs no global memory and before
/// roles part; dependents may begin right then. No other kernel does.
#[test]
fn planned_kernels_wait_for_the_grid_before_them() {
    let both = ["griddepcontrol.wait;", "griddepcontrol.launch_dependents;"];
    for Compiled { module, entry, .. } in compiled() {
        assert!(!flashpage_ptx::print(&module).contains("griddepcontrol"), "{entry}");
    }
    for (name, block_size) in [("causal_attention", None), ("paged_attention", Some(16))] {
        for work in [Work::List, Work::Partials] {
            for (shape, &head_dim) in
                ShapeClass::ALL.iter().flat_map(|shape| SM90_TUNED.iter().map(move |dim| (shape, dim)))
            {
                let spec = Spec { work, ..spec(head_dim, *shape, block_size) };
                let Compiled { module, entry, abi, .. } = compile(&kernel(name), &spec).expect("a kernel");
                let text = flashpage_ptx::print(&module);
                let lines: Vec<&str> = text.lines().map(str::trim).collect();
                let at = |text: &str| -> Vec<usize> {
                    (0..lines.len()).filter(|at| lines[*at].contains(text)).collect()
                };
                let [wait, dependents] = both.map(at).map(|at| {
                    assert_eq!(at.len(), 1, "{entry}");
                    at[0]
                });
                assert_eq!([lines[wait], lines[dependents]], both, "{entry}: no guard");
                assert_eq!(wait + 1, dependents, "{entry}");
                let before = ["mbarrier.init", "bar.sync 0", "prefetch.tensormap"];
                assert!(before.iter().flat_map(|text| at(text)).all(|at| at < wait), "{entry}");
                let maps = abi.iter().filter(|arg| arg.ty == AbiType::TensorMap).count();
                assert_eq!(at("prefetch.tensormap").len(), maps, "{entry}");
                let behind = [".global", "bra", "setmaxnreg", "ret;"];
                // The loop that zeroes rows of Q which no copy reaches stays in shared memory.
                let spare = at("spare_rows").into_iter().collect::<Vec<_>>();
                assert!(
                    behind.iter().flat_map(|text| at(text)).all(|at| at > dependents || spare.contains(&at)),
                    "{entry}"
                );
            }
        }
        let spec = Spec { arch: Arch::Sm80, work: Work::List, ..spec(64, ShapeClass::Decode, block_size) };
        let text = flashpage_ptx::print(&compile(&kernel(name), &spec).expect("a kernel").module);
        assert!(!text.contains("griddepcontrol"));
    }
}

#[test]
fn v_is_waited_for_before_a_turn_or_else_behind_the_scores() {
    // With one slot the plan's lines do not tell this iteration's tile from the one before.
    for Compiled { schedule, module, entry, .. } in
        compiled().into_iter().filter(|compiled| compiled.schedule.stages > 1)
    {
        let text = flashpage_ptx::print(&module);
        let takes_turns = roles(&schedule).take_turns();
        let mut loops = 0;
        for issued in text.split("// multiply S = Q K@0t").skip(1) {
            // The rightmost tile's scores have no O += P V beside them.
            let Some((between, _)) = issued.split_once("// multiply O += P@1 V@1") else { continue };
            if between.contains("wait_group") {
                continue;
            }
            loops += 1;
            let of_products: Vec<&str> = between.lines().filter(|line| line.contains("wgmma")).collect();
            let (fence, commit) = ("wgmma.fence.sync.aligned;", "wgmma.commit_group.sync.aligned;");
            let behind = of_products.iter().skip_while(|line| line.trim() != commit).count();
            assert_eq!(between.contains("mbarrier.try_wait"), !takes_turns, "{entry}");
            assert_eq!(behind, if takes_turns { 1 } else { 2 }, "{entry}");
            let last = of_products.last().map(|line| line.trim());
            assert_eq!(last, Some(if takes_turns { commit } else { fence }), "{entry}");
        }
        assert!(loops > 0, "{entry}");
    }
}
