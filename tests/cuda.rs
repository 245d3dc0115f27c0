//! `Device::cuda` and what is built on it, over the stand-in driver of `tests/driver`: no GPU takes part, and the device's
//! name says so. `stand_in` runs each test's program, which is `kgen` or this suite again.

#![cfg(target_os = "linux")]

mod planning;
mod stand_in;

use flashpage::codegen::Arch;
use flashpage::codegen::schedule::Tuning;
use flashpage::kernels;
use flashpage::runtime::device::{
    DeviceError, Interleave, L2Promotion, Launch, OutOfBounds, Swizzle, TensorMap, TensorMapType,
};
use flashpage::runtime::device_kernels::{AppendKv, KvScales, append_kv};
use flashpage::runtime::problem::Problem;
use flashpage::runtime::{
    DType, Device, LaunchOptions, PlanOptions, Planner, Pool, PoolLayout, Tensor, TimingOptions, launch,
};
use stand_in::{NAME, Ran, driver, kgen, run_on, with_driver};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

#[test]
fn check() {
    let table: [(&str, &str, &[&str]); 2] =
        [("8.0", "causal_attention", &[]), ("9.0", "paged_attention", &["--arch", "sm_80"])];
    for (cc, kernel, more) in table {
        let ran = kgen(cc, &[&["check", kernel, "--device", "cuda:0"], more].concat()).with(0);
        assert!(ran.out.starts_with(&format!("on {NAME}\n")), "{}", ran.out);
        assert!(!ran.out.contains("FAILS"), "{}", ran.out);
    }
}

/// A fault costs the row it is in: the rest go on in another process, where it is the second launch again.
#[test]
fn check_goes_on_after_a_fault() {
    let driver = driver();
    let run = run_on(&driver, "8.0", env!("CARGO_BIN_EXE_kgen"))
        .args(["check", "causal_attention", "--device", "cuda:0"])
        .env("FLASHPAGE_TEST_DRIVER_FAULT", "2")
        .output()
        .unwrap();
    let ran = Ran::of(run).with(1);
    let verdicts: Vec<bool> = ran
        .out
        .lines()
        .filter(|line| line.starts_with("causal_attention ") && !line.contains("verdict"))
        .map(|line| line.ends_with(" ok"))
        .collect();
    let expected: Vec<bool> = (0..verdicts.len()).map(|row| row % 2 == 0).collect();
    assert!(verdicts.len() > 4 && verdicts == expected, "{verdicts:?}: {}", ran.out);
    assert!(ran.out.contains("CUDA_ERROR_ILLEGAL_ADDRESS"), "{}", ran.out);
}

#[test]
fn cases() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/cases");
    // Clusters, multicast, tensor maps by address and by parameter, bulk reductions, wgmma; then grid-wide waits.
    let table = [
        ("8.0", "vector_add_sm80"),
        ("9.0", "vector_add_sm80"),
        ("8.6", "cuda_flash_attention_sm80"),
        ("8.0", "cuda_lookback_sm80"),
        ("9.0", "cuda_cluster_sm90"),
        ("9.0", "cuda_multicast_sm90"),
        ("9.0", "cuda_tensor_maps_sm90"),
        ("9.0", "cuda_bulk_reduce_sm90"),
        ("9.0", "tma_cube_sm90"),
        ("9.0", "wgmma_f16_s64_tn_sm90"),
    ];
    for (cc, name) in table {
        let case = copy(&cases.join(name));
        let ran =
            kgen(cc, &["launch", &case.path().join("launch.json").to_string_lossy(), "--device", "cuda:0"]);
        let ran = ran.with(0);
        assert!(
            ran.out.lines().next().is_some_and(|line| line.ends_with(&format!(" on {NAME}"))),
            "{}",
            ran.out
        );
        assert!(ran.out.contains("ok "), "{name}: {}", ran.out);
    }
    // Code for sm_90a runs on compute capability 9.0 alone.
    for cc in ["8.0", "12.0"] {
        let case = copy(&cases.join("tma_row_sm90"));
        let ran =
            kgen(cc, &["launch", &case.path().join("launch.json").to_string_lossy(), "--device", "cuda:0"]);
        let ran = ran.with(2);
        assert!(ran.err.contains("CUDA_ERROR_NO_BINARY_FOR_GPU"), "{}", ran.err);
    }
}

/// A case's files, so that what it writes goes elsewhere.
fn copy(case: &Path) -> TempDir {
    let folder = TempDir::new().unwrap();
    for entry in std::fs::read_dir(case).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    folder
}

/// A case of a kernel with this body, for one thread and a buffer of four bytes.
fn case(body: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("kernel.ptx"), kernel(body)).unwrap();
    let launch = r#"{ "ptx": "kernel.ptx", "entry": "k", "grid": [1, 1, 1], "block": [1, 1, 1],
        "buffers": { "o": {"dtype": "i32", "shape": [1], "fill": 0} }, "args": [ {"buffer": "o"} ] }"#;
    std::fs::write(folder.path().join("launch.json"), launch).unwrap();
    folder
}

/// An entry `k(o)`, where `%o` holds the parameter and `%v` is to be used.
fn kernel(body: &str) -> String {
    format!(
        ".version 7.8\n.target sm_80\n.address_size 64\n.visible .entry k(.param .u64 o) {{\n\
         .reg .u64 %o;\n.reg .u32 %v;\nld.param.u64 %o, [o];\nmov.u32 %v, 7;\n{body}\nret;\n}}\n"
    )
}

#[test]
fn faults() {
    let table = [
        ("st.global.u32 [%o], %v;", 0, "k on "),
        (
            "st.global.u32 [%o+4096], %v;",
            1,
            "CUDA_ERROR_ILLEGAL_ADDRESS (an illegal memory access was encountered)",
        ),
        ("st.global.u32 [%o+2], %v;", 1, "CUDA_ERROR_MISALIGNED_ADDRESS (misaligned address)"),
        ("trap;", 1, "CUDA_ERROR_LAUNCH_FAILED (unspecified launch failure)"),
    ];
    for (body, status, message) in table {
        let case = case(body);
        let launch = case.path().join("launch.json");
        let ran = kgen("8.0", &["launch", &launch.to_string_lossy(), "--device", "cuda:0"]).with(status);
        assert!(ran.out.contains(message), "{body}: {}", ran.out);
        assert_eq!(status == 1, ran.out.contains("`k` failed: "), "{body}: {}", ran.out);
    }
}

#[test]
fn choosing_a_device() {
    let case = case("st.global.u32 [%o], %v;");
    let launch = case.path().join("launch.json").to_string_lossy().into_owned();
    let table: [(&str, &[&str], i32, &str); 6] = [
        ("8.0", &[], 0, NAME),
        ("8.0", &["--device", "emulator"], 0, "emulator"),
        ("8.0", &["--device", "cuda:7"], 2, "there is no GPU 7, this machine has 1"),
        ("none", &["--device", "cuda:0"], 2, "cuInit failed: CUDA_ERROR_NO_DEVICE"),
        ("none", &[], 0, "emulator"),
        ("8.0", &["--device", "cuda:0", "--profile"], 2, "--profile counts on the emulator"),
    ];
    for (cc, args, status, message) in table {
        let ran = kgen(cc, &[&["launch", &launch], args].concat()).with(status);
        assert!(format!("{}{}", ran.out, ran.err).contains(message), "{cc} {args:?}: {ran:?}");
    }
}

#[test]
fn targets() {
    with_driver("targets", &["8.0", "8.6", "8.9", "9.0", "12.0"], |cc| {
        let device = Device::auto();
        assert_eq!((device.name().as_str(), device.is_emulator()), (NAME, false));
        let (major, minor) = device.properties().unwrap().compute_capability;
        assert_eq!(format!("{major}.{minor}"), cc);
        assert_eq!(device.arch(), Arch::for_compute_capability(major));
        assert_eq!(device.arch() == Arch::Sm90a, cc == "9.0");
        assert_eq!(device.sms(), device.properties().unwrap().sms);
        assert!(device.load(&kernel("")).is_ok());
    });
}

/// The helper kernels' module is loaded once, and their parameters are what the driver takes.
#[test]
fn helper_kernels() {
    with_driver("helper_kernels", &["8.0", "8.9", "9.0", "12.0"], |_| {
        let device = Device::auto();
        assert_eq!(device.name(), NAME);
        let keys =
            Tensor::from_slice(&device, &[1.0f32, -3.0, 0.3, 1e9, 5.0, 6.0, 7.0, 8.0], &[2, 1, 4]).unwrap();
        let pool = || Tensor::zeros(&device, DType::E4m3, &[2, 4, 1, 4]).unwrap();
        let (key_pool, value_pool) = (pool(), pool());
        let slots = device.upload(&[6i64.to_le_bytes(), (-1i64).to_le_bytes()].concat()).unwrap();
        let nhd = |tensor| Pool { tensor, layout: PoolLayout::Nhd };
        let args = AppendKv {
            keys: &keys,
            tokens: 2,
            key_pool: nhd(&key_pool),
            values: Some((&keys, nhd(&value_pool))),
            slot_mapping: (&slots).into(),
            host_slots: Some(&[6, -1]),
            rotary: None,
            scales: Some(KvScales { key: 1.0, value: 0.5 }.into()),
        };
        append_kv(&device, &args).unwrap();
        append_kv(&device, &args).unwrap();
        let row = |pool: &Tensor| pool.to_f32_vec().unwrap()[24..28].to_vec();
        assert_eq!(
            (row(&key_pool), row(&value_pool)),
            (vec![1.0, -3.0, 0.3125, 448.0], vec![2.0, -6.0, 0.625, 448.0])
        );
        assert!(key_pool.to_f32_vec().unwrap()[..24].iter().all(|x| *x == 0.0));
    });
}

#[test]
fn memory() {
    with_driver("memory", &["8.0"], |_| {
        let device = Device::cuda(0).unwrap();
        let buffer = device.upload(&[1, 2, 3, 4]).unwrap();
        buffer.write(1, &[9]).unwrap();
        // The context is each thread's own affair.
        std::thread::scope(|threads| {
            threads.spawn(|| assert_eq!(buffer.to_bytes().unwrap(), [1, 9, 3, 4]));
            threads.spawn(|| drop(device.upload(&[0; 100]).unwrap()));
        });
        buffer.memset(7).unwrap();
        let mut tail = [0; 2];
        buffer.read(2, &mut tail).unwrap();
        assert_eq!(tail, [7, 7]);
        assert!(buffer.address().is_multiple_of(256) && device.alloc(0).unwrap().is_empty());
        let error = device.alloc(1 << 40).unwrap_err().to_string();
        assert!(error.contains("CUDA_ERROR_OUT_OF_MEMORY (out of memory)"), "{error}");
        // What is dropped comes back, whichever thread drops it: more than half of the device, twice.
        for _ in 0..2 {
            let large = device.alloc(300 << 20).unwrap();
            std::thread::spawn(|| drop(large)).join().unwrap();
        }
        // The context goes with its last user, and comes again.
        drop((buffer, device));
        assert_eq!(Device::cuda(0).unwrap().upload(&[5]).unwrap().to_bytes().unwrap(), [5]);
    });
}

/// Copies beside the caller: the stand-in leaves them under way until somebody waits, so a wait that is missing is seen.
#[test]
fn transfers() {
    with_driver("transfers", &["8.0", "9.0@11040"], |_| {
        let device = Device::cuda(0).unwrap();
        assert!(device.faults().is_none());
        let (stream, buffer) = (device.stream().unwrap(), Arc::new(device.upload(&[1, 2, 3, 4]).unwrap()));
        let host = Arc::new(device.alloc_host(4).unwrap());
        assert_eq!(host.to_bytes().unwrap(), [0; 4]);
        host.write(0, &[5, 6, 7, 8]).unwrap();

        // A wait, a question, a drop and a wait for a later one each end it.
        let begin = || stream.copy_to_device(&host, 1, &buffer, 2, 2).unwrap();
        for end in 0..4 {
            buffer.write(0, &[1, 2, 3, 4]).unwrap();
            let transfer = begin();
            assert_eq!(buffer.to_bytes().unwrap(), [1, 2, 3, 4], "it is under way");
            let error = host.write(2, &[0]).unwrap_err().to_string();
            assert!(error.contains("bytes 1..3 of the host memory belong to a transfer"), "{error}");
            assert!(host.write(3, &[8]).is_ok());
            match end {
                0 => transfer.wait().unwrap(),
                1 => {
                    assert!(!transfer.is_done().unwrap());
                    assert!(transfer.is_done().unwrap() && transfer.is_done().unwrap());
                }
                2 => drop(transfer),
                _ => {
                    begin().wait().unwrap();
                    assert!(transfer.is_done().unwrap());
                }
            }
            assert_eq!(buffer.to_bytes().unwrap(), [1, 2, 6, 7]);
            assert_eq!(host.to_bytes().unwrap(), [5, 6, 7, 8]);
        }

        // What a kernel, a memset and a copy left is what comes out, also in another thread and after the handles have gone.
        assert_eq!(launch_of(&device, &kernel("st.global.u32 [%o], %v;"), one_block()).unwrap(), 7);
        let other = device.alloc(4).unwrap();
        other.memset(9).unwrap();
        device.copy(&other, 0, &buffer, 1, 2).unwrap();
        let error = device.copy(&buffer, 0, &buffer, 1, 2).unwrap_err();
        assert!(matches!(error, DeviceError::Overlap { .. }), "{error}");
        let transfer = stream.copy_to_host(&buffer, 0, &host, 0, 4).unwrap();
        drop((buffer, stream, device, other));
        std::thread::spawn(move || transfer.wait().unwrap()).join().unwrap();
        assert_eq!(host.to_bytes().unwrap(), [1, 9, 9, 7]);

        let device = host.device();
        let error = device.alloc_host(1 << 40).unwrap_err().to_string();
        assert!(error.contains("cuMemHostAlloc failed: CUDA_ERROR_OUT_OF_MEMORY"), "{error}");
        // What is dropped comes back: more than half of what there is, twice.
        for _ in 0..2 {
            assert!(device.alloc_host(300 << 20).is_ok());
        }
        let (stream, buffer) = (device.stream().unwrap(), Arc::new(device.alloc(4).unwrap()));
        let far = Arc::new(Device::emulator().alloc_host(4).unwrap());
        let error = stream.copy_to_host(&buffer, 0, &far, 0, 4).unwrap_err();
        assert!(matches!(error, DeviceError::OtherDevice("the host memory")), "{error}");
        assert!(stream.copy_to_host(&buffer, 4, &host, 4, 0).unwrap().wait().is_ok());
    });
}

fn launch_of(device: &Device, text: &str, launch: Launch) -> Result<u32, DeviceError> {
    let out = device.upload(&[0; 4])?;
    let launch = Launch { params: vec![out.address().to_le_bytes().to_vec()], ..launch };
    device.launch(&device.load(text)?, "k", &launch)?;
    Ok(u32::from_le_bytes(out.to_bytes()?.try_into().unwrap()))
}

fn one_block() -> Launch {
    Launch::default()
}

/// Shared memory, declared and dynamic: past 48 KiB together it has to be asked for, and the device has so much.
#[test]
fn shared_memory() {
    with_driver("shared_memory", &["8.0", "8.6", "9.0"], |cc| {
        let device = Device::cuda(0).unwrap();
        let most = match cc {
            "8.0" => 163,
            "8.6" => 99,
            _ => 227,
        };
        let table = [
            (0, 0, true),
            (0, 48, true),
            (0, 49, true),
            (0, most, true),
            (0, most + 1, false),
            (40, 8, true),
            (40, 9, true),
            (40, 48, true),
            (40, most - 40, true),
            (40, most - 39, false),
        ];
        for (declared, dynamic, fits) in table {
            let text = kernel(&match declared {
                0 => "mov.u32 %v, %dynamic_smem_size;\nst.global.u32 [%o], %v;".to_string(),
                kib => format!(
                    ".shared .align 16 .b8 fixed[{}];\nst.shared.u32 [fixed], %v;\nmov.u32 %v, %dynamic_smem_size;\n\
                     st.global.u32 [%o], %v;",
                    kib * 1024
                ),
            });
            let launch = Launch { dynamic_shared_bytes: dynamic * 1024, ..one_block() };
            match launch_of(&device, &text, launch) {
                Ok(seen) => assert!(fits && seen == dynamic * 1024, "{cc}: {declared} + {dynamic}: {seen}"),
                Err(error) => {
                    assert!(
                        !fits && matches!(error, DeviceError::Launch { .. }),
                        "{declared} + {dynamic}: {error}"
                    );
                }
            }
        }
    });
}

/// Threads that launch one kernel with more and less shared memory do not take it from each other.
#[test]
fn shared_memory_of_threads() {
    with_driver("shared_memory_of_threads", &["8.0"], |_| {
        let device = Device::cuda(0).unwrap();
        let module = device.load(&kernel("st.global.u32 [%o], %v;")).unwrap();
        let out = device.upload(&[0; 4]).unwrap();
        let launch = |kib: u32| Launch {
            dynamic_shared_bytes: kib * 1024,
            params: vec![out.address().to_le_bytes().to_vec()],
            ..one_block()
        };
        std::thread::scope(|threads| {
            for kib in [50, 60, 100, 160] {
                let (device, module, launch) = (&device, &module, launch(kib));
                threads
                    .spawn(move || (0..200).for_each(|_| drop(device.launch(module, "k", &launch).unwrap())));
            }
        });
    });
}

#[test]
fn clusters() {
    with_driver("clusters", &["8.0", "9.0"], |cc| {
        let device = Device::cuda(0).unwrap();
        let read = match cc {
            "8.0" => "",
            _ => "mov.u32 %v, %cluster_nctarank;\n",
        };
        let text = kernel(&format!("{read}st.global.u32 [%o], %v;"));
        let text = if cc == "8.0" { text } else { text.replace("sm_80", "sm_90") };
        let table = [([1, 1, 1], 1), ([2, 1, 1], 2), ([2, 2, 2], 8), ([16, 1, 1], 16)];
        for (cluster, blocks) in table {
            let launch = Launch { grid: [16, 2, 2], cluster, ..one_block() };
            match (cc, launch_of(&device, &text, launch)) {
                ("8.0", Ok(seen)) => assert_eq!((blocks, seen), (1, 7)),
                ("8.0", Err(error)) => {
                    assert!(blocks > 1 && matches!(error, DeviceError::Launch { .. }), "{error}")
                }
                (_, ran) => assert_eq!(ran.unwrap(), blocks),
            }
        }
    });
}

/// All blocks at once, with clusters and without: what the grid's barrier is found by is there, and not without being
/// asked for.
#[test]
fn cooperative_launches() {
    with_driver("cooperative_launches", &["8.0", "9.0"], |cc| {
        let device = Device::cuda(0).unwrap();
        let text = kernel(
            "mov.u32 %v, %envreg1;\nmov.u32 %v, %envreg2;\nmov.u32 %v, %nctaid.x;\nst.global.u32 [%o], %v;",
        );
        let text = if cc == "8.0" { text } else { text.replace("sm_80", "sm_90") };
        for cluster in [[1, 1, 1], [2, 1, 1]].into_iter().take(if cc == "8.0" { 1 } else { 2 }) {
            let launch = Launch { grid: [6, 1, 1], cluster, cooperative: true, ..one_block() };
            assert_eq!(launch_of(&device, &text, launch).unwrap(), 6);
        }
        let launch = Launch { grid: [100_000, 1, 1], cooperative: true, ..one_block() };
        let error = launch_of(&device, &text, launch).unwrap_err();
        assert!(
            matches!(&error, DeviceError::Launch { message, .. } if message.contains("cuLaunchCooperativeKernel")),
            "{error}"
        );
        let error = launch_of(&device, &text, one_block()).unwrap_err();
        assert!(matches!(error, DeviceError::Fault { .. }), "{error}");
    });
}

/// A launch that may begin before the one before it has ended, beside a cluster too: by which GPUs, drivers and entries, and
/// that the driver is told. Then sequences, whose faults name whoever may have caused them.
#[test]
fn programmatic_launches() {
    with_driver("programmatic_launches", &["8.0", "9.0@11040", "9.0", "12.0"], |cc| {
        let device = Device::cuda(0).unwrap();
        let takes =
            matches!(cc, "9.0" | "12.0") && device.properties().unwrap().driver_supports_cuda >= (11, 8);
        assert_eq!(device.has_programmatic_launches(), takes);
        let text = |body: &str| {
            let text = kernel(body);
            if cc == "8.0" { text } else { text.replace("sm_80", "sm_90") }
        };
        let waits = text("griddepcontrol.wait;\ngriddepcontrol.launch_dependents;\nst.global.u32 [%o], %v;");
        let early = Launch { programmatic: true, ..one_block() };
        if !takes {
            let error = launch_of(&device, &waits, early).unwrap_err().to_string();
            let message = match cc {
                "8.0" => "programmatic launches need compute capability 9.0, and this GPU has 8.0: clear",
                _ => "programmatic launches need a driver for CUDA 11.8, this one is for 11.4",
            };
            assert!(error.contains(message), "{error}");
            assert_eq!(launch_of(&device, &waits, one_block()).unwrap(), 7);
            return;
        }
        assert_eq!(launch_of(&device, &waits, early.clone()).unwrap(), 7);
        if cc == "9.0" {
            let cluster = Launch { grid: [4, 1, 1], cluster: [2, 1, 1], ..early.clone() };
            let ranks = "griddepcontrol.wait;\nmov.u32 %v, %cluster_nctarank;\nst.global.u32 [%o], %v;";
            assert_eq!(launch_of(&device, &text(ranks), cluster).unwrap(), 2);
        }
        let table = [
            (text("st.global.u32 [%o], %v;"), early.clone(), "this entry has no `griddepcontrol.wait`"),
            (
                waits.clone(),
                Launch { cooperative: true, ..early.clone() },
                "programmatic or cooperative, not both",
            ),
        ];
        for (text, launch, message) in table {
            let error = launch_of(&device, &text, launch).unwrap_err();
            assert!(matches!(&error, DeviceError::Launch { entry, .. } if entry == "k"), "{error}");
            assert!(error.to_string().contains(message), "{error}");
        }

        // A step of a planner, begun and timed as one.
        let program = kernels::paged_attention::program();
        let problem =
            Problem { lens: vec![(1, 500), (40, 90)], q_heads: 4, kv_heads: 2, ..Problem::default() };
        let inputs = problem.inputs(&device, program).unwrap();
        let arguments = inputs.arguments();
        let options = PlanOptions { parts: Some(2), ..PlanOptions::default() };
        let planner =
            Planner::new(&device, program, &arguments, planning::capacity(&problem), options).unwrap();
        let plan = planner.plan(&arguments, &[]).unwrap();
        let launches = planner.launches(&arguments).unwrap();
        // GPUs after Hopper have the kernels for sm_80, and the merge alone waits.
        let marked = launches.iter().filter(|launch| launch.launch.programmatic).count();
        assert_eq!(marked, if cc == "9.0" { launches.len() - 1 } else { 1 });
        let entries = planner.run(&plan, &arguments).unwrap().entries;
        assert!(entries.len() > 1 && entries.last().unwrap().starts_with("merge_states"), "{entries:?}");
        assert_eq!(planning::wrong(program, &arguments), None);
        let brief = TimingOptions {
            warm_up: Duration::ZERO,
            measure: Duration::ZERO,
            samples: (2, 2),
            ..Default::default()
        };
        assert_eq!(planner.time(&plan, &arguments, &brief).unwrap().samples(), 2);
        assert_eq!(planning::wrong(program, &arguments), None);

        // The stand-in judges what the driver was told of: an access before the wait is a fault there, if the launch may
        // begin early.
        let late = text("st.global.u32 [%o], %v;\ngriddepcontrol.wait;");
        assert_eq!(launch_of(&device, &late, one_block()).unwrap(), 7);
        let [good, bad] = [&waits, &late].map(|text| device.load(text).unwrap());
        let out = device.upload(&[0; 4]).unwrap();
        let params = vec![out.address().to_le_bytes().to_vec()];
        let [first, next] = [one_block(), early].map(|launch| Launch { params: params.clone(), ..launch });
        device.launch_all(&[(&good, "k", &first), (&good, "k", &next), (&bad, "k", &first)]).unwrap();
        assert_eq!(out.to_bytes().unwrap(), [7, 0, 0, 0]);
        let error = device.launch_all(&[(&good, "k", &first), (&bad, "k", &next)]).unwrap_err();
        assert!(matches!(&error, DeviceError::Fault { entry, .. } if entry == "k, k"), "{error}");
        assert!(
            error.to_string().contains("one of these launches, which were waited for together"),
            "{error}"
        );
    });
}

/// Drivers that lack a call that `cudarc` would look for, and panic.
#[test]
fn old_drivers() {
    with_driver("old_drivers", &["9.0@11040", "9.0@11080", "9.0@12000"], |_| {
        let device = Device::cuda(0).unwrap();
        let version = device.properties().unwrap().driver_supports_cuda;
        assert_eq!(device.arch() == Arch::Sm90a, version >= (12, 0));
        let launch = |cluster| Launch { grid: [2, 1, 1], cluster, ..one_block() };
        let text = kernel("st.global.u32 [%o], %v;").replace("sm_80", "sm_90");
        assert_eq!(launch_of(&device, &text, launch([1, 1, 1])).unwrap(), 7);
        match launch_of(&device, &text, launch([2, 1, 1])) {
            Ok(seen) => assert!(version >= (11, 8) && seen == 7),
            Err(error) => {
                let message = "clusters need a driver for CUDA 11.8, this one is for 11.4";
                assert!(version < (11, 8) && error.to_string().contains(message), "{error}");
            }
        }
        let map = TensorMap {
            ty: TensorMapType::F16,
            dims: vec![64, 8],
            strides: vec![128],
            box_dims: vec![64, 8],
            element_strides: vec![1, 1],
            interleave: Interleave::None,
            swizzle: Swizzle::B128,
            l2_promotion: L2Promotion::None,
            oob_fill: OutOfBounds::Zeros,
        };
        match device.encode_tensor_map(4096, &map) {
            Ok(bytes) => assert!(version >= (12, 0) && bytes != [0; 128]),
            Err(error) => {
                let message = "tensor maps need a driver for CUDA 12.0";
                assert!(version < (12, 0) && error.to_string().contains(message), "{error}");
            }
        }
    });
}

/// Kernels for Hopper are launched with tensor maps of the driver, more shared memory than it gives by itself, and as many
/// blocks as the GPU holds at once.
#[test]
fn hopper_launches() {
    with_driver("hopper_launches", &["9.0"], |_| {
        let device = Device::cuda(0).unwrap();
        let sms = device.sms();
        let program = kernels::paged_attention::program();
        let lens = |sequences: u32| vec![(1, 20); sequences as usize];
        let tuning = Tuning { blocks_per_sm: Some(1), ..Tuning::default() };
        let options = LaunchOptions { tuning, ..LaunchOptions::default() };
        for (lens, grid) in [(lens(3), [6, 1, 1]), (lens(sms), [sms, 1, 1])] {
            let problem =
                Problem { head_dim: 128.into(), q_heads: 4, kv_heads: 2, lens, ..Problem::default() };
            let inputs = problem.inputs(&device, program).unwrap();
            let report = launch(&device, program, &inputs.arguments(), &options).unwrap();
            assert_eq!((report.spec.arch, report.grid), (Arch::Sm90a, grid));
        }
    });
}

/// What the driver's compiler makes of a kernel with roles is held against the plan when it is loaded: a launch that would
/// hang, or crawl, is an error that says what else to launch. Each way of going wrong, of one launch and of a planned one.
#[test]
fn machine_code_that_is_not_as_planned() {
    const REGISTERS: &str = "FLASHPAGE_TEST_DRIVER_REGISTERS";
    const LOCAL: &str = "FLASHPAGE_TEST_DRIVER_LOCAL_BYTES";
    const INFO: &str = "FLASHPAGE_TEST_DRIVER_INFO";
    const IGNORED: &str = "info    : (C7508) Potential Performance Loss: 'setmaxnreg' ignored";
    let case = ["--device", "cuda:0", "--no-ceilings", "--suite", "tiny", "--json", "--only"];
    let prefill = "prefill full bf16 d128 h2/2 b1 s128";
    let decode = "decode full bf16 d128 h4/2 b1 s96";
    // Workload, what the driver tells, and what is to be said of it; nothing where it is launched.
    let table: [(&str, &str, &str, Option<&str>); 9] = [
        (prefill, REGISTERS, "168", None),
        (prefill, REGISTERS, "152", Some("152 registers at entry where 168 were planned")),
        (prefill, REGISTERS, "176", Some("176 registers at entry where 168 were planned")),
        (prefill, LOCAL, "0", None),
        (prefill, LOCAL, "16", Some("put 16 bytes of a thread into local memory")),
        (prefill, INFO, "info    : Used 168 registers", None),
        (prefill, INFO, IGNORED, Some(IGNORED)),
        (decode, REGISTERS, "40", Some("40 registers at entry where")),
        (decode, INFO, "(C7512) wgmma serialized", Some("says `(C7512) wgmma serialized`")),
    ];
    let driver = driver();
    for (workload, variable, value, message) in table {
        let run = run_on(&driver, "9.0", env!("CARGO_BIN_EXE_kgen"))
            .args(["bench"].iter().chain(&case).chain(&[workload]))
            .env(variable, value)
            .output()
            .unwrap();
        let ran = Ran::of(run).with(i32::from(message.is_some()));
        let rows: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
        let (row, error) = (&rows[0], rows[0]["error"].as_str());
        assert_eq!(rows.as_array().unwrap().len(), 1, "{rows:#}");
        assert_eq!(error.is_some(), message.is_some(), "{variable}={value}: {row:#}");
        for part in message.into_iter().flat_map(|message| [message, "attention_bf16_d128", "`--arch sm_80`"])
        {
            assert!(error.is_some_and(|error| error.contains(part)), "{variable}={value}, `{part}`: {row:#}");
        }
    }
    // What is only slow runs if it may, and kernels for sm_80 in any case; then it is told. What would hang never runs.
    let table =
        [("8.0", "255", "0", 0), ("9.0", "168", "1", 0), ("9.0", "168", "0", 1), ("9.0", "160", "1", 1)];
    for (cc, registers, allowed, status) in table {
        let run = run_on(&driver, cc, env!("CARGO_BIN_EXE_kgen"))
            .args(["bench"].iter().chain(&case).chain(&[prefill]))
            .envs([(REGISTERS, registers), (LOCAL, "16"), ("FLASHPAGE_ALLOW_SLOW", allowed)])
            .output()
            .unwrap();
        let rows: serde_json::Value = serde_json::from_str(&Ran::of(run).with(status).out).unwrap();
        let told = rows[0]["method"] == "event, 16 bytes of a thread in local memory";
        assert_eq!(told, status == 0, "{cc} {registers} {allowed}: {rows:#}");
    }
}

/// The driver's numbers for each word: the stand-in writes the emulator's map, so both must come to the same bytes.
#[test]
fn tensor_maps() {
    with_driver("tensor_maps", &["9.0"], |_| {
        let (device, emulator) = (Device::cuda(0).unwrap(), Device::emulator());
        let mut encoded = BTreeSet::new();
        for ty in TensorMapType::WORDS.iter().map(|word| word.parse::<TensorMapType>().unwrap()) {
            for (swizzle, promotion, fill) in [
                (Swizzle::None, L2Promotion::None, OutOfBounds::Zeros),
                (Swizzle::B32, L2Promotion::B64, OutOfBounds::Zeros),
                (Swizzle::B64, L2Promotion::B128, OutOfBounds::Nan),
                (Swizzle::B128, L2Promotion::B256, OutOfBounds::Nan),
            ] {
                let map = TensorMap {
                    ty,
                    dims: vec![100, 7, 3],
                    strides: vec![1024, 8192],
                    box_dims: vec![(32 / ty.bytes()) as u32, 5, 2],
                    element_strides: vec![1, 2, 3],
                    interleave: Interleave::None,
                    swizzle,
                    l2_promotion: promotion,
                    oob_fill: fill,
                };
                let bytes = device.encode_tensor_map(0x7000, &map).map_err(|_| ());
                assert_eq!(bytes, emulator.encode_tensor_map(0x7000, &map).map_err(|_| ()), "{map:?}");
                encoded.extend(bytes.ok());
            }
        }
        // Whole numbers have no NaN to be filled with: six of the types in two of the rows.
        assert_eq!(encoded.len(), TensorMapType::WORDS.len() * 4 - 6 * 2);
    });
}

#[test]
fn refused() {
    with_driver("refused", &["8.0"], |_| {
        let device = Device::cuda(0).unwrap();
        let loads = [
            (kernel("frob;"), "unknown opcode `frob`"),
            // What the driver's compiler says is in the message.
            (kernel(".shared .b8 s[65536];\nst.shared.u32 [s], %v;"), "of at most 49152"),
            (kernel("").replace("7.8", "9.9"), "CUDA_ERROR_UNSUPPORTED_PTX_VERSION"),
            (kernel("").replace("sm_80", "sm_90a"), "CUDA_ERROR_NO_BINARY_FOR_GPU"),
            (
                kernel("").replace("sm_80", "sm_90a"),
                "PTX 7.8 for sm_90a, on compute capability 8.0 with a driver for CUDA 12.0",
            ),
        ];
        for (text, message) in loads {
            let error = device.load(&text).unwrap_err();
            assert!(
                matches!(&error, DeviceError::Load(said) if said.contains(message)),
                "{message}: {error}"
            );
        }
        let module = device.load(&kernel("")).unwrap();
        let good = Launch { params: vec![vec![0; 8]], ..one_block() };
        device.launch(&module, "k", &good).unwrap();
        let table = [
            ("m", good.clone(), "the module has no entry `m`: it has `k`"),
            ("k", one_block(), "`k` takes 1 parameters, and 0 are given"),
            (
                "k",
                Launch { params: vec![vec![0; 4]], ..one_block() },
                "parameter `o` has 8 bytes, and 4 are given",
            ),
            (
                "k",
                Launch { block: [2048, 1, 1], ..good.clone() },
                "CUDA_ERROR_INVALID_VALUE (invalid argument)",
            ),
            ("k", Launch { grid: [0, 1, 1], ..good.clone() }, "CUDA_ERROR_INVALID_VALUE (invalid argument)"),
        ];
        for (entry, launch, message) in table {
            let error = device.launch(&module, entry, &launch).unwrap_err().to_string();
            assert!(error.contains(message), "{message}: {error}");
        }
        for other in [Device::cuda(0).unwrap(), Device::emulator()] {
            assert!(matches!(other.launch(&module, "k", &good), Err(DeviceError::OtherDevice(_))));
        }
        // Nothing of this has done any harm.
        device.launch(&module, "k", &good).unwrap();
    });
}

/// Times are the host's, and mean nothing; that they come at all, as many as were asked for, does.
#[test]
fn times() {
    with_driver("times", &["9.0"], |_| {
        let device = Device::cuda(0).unwrap();
        let module = device.load(&kernel("st.global.u32 [%o], %v;")).unwrap();
        let out = device.upload(&[0; 4]).unwrap();
        let launch = Launch { params: vec![out.address().to_le_bytes().to_vec()], ..one_block() };
        let brief = TimingOptions {
            warm_up: Duration::ZERO,
            measure: Duration::ZERO,
            samples: (3, 3),
            ..TimingOptions::default()
        };
        for flush_l2 in [false, true] {
            let options = TimingOptions { flush_l2, ..brief };
            let timing = device.time(&module, "k", &launch, &options).unwrap();
            assert_eq!(timing.samples(), 3);
            assert!(
                timing.median() > Duration::ZERO && timing.median() < Duration::from_secs(1),
                "{timing:?}"
            );
            assert_eq!(device.time_copy(1 << 20, &options).unwrap().samples(), 3);
        }
        assert_eq!(out.to_bytes().unwrap(), [7, 0, 0, 0]);
        // The memory for the flushing came back: there would not be as much again.
        drop(device.alloc(400 << 20).unwrap());
        let bad = device.load(&kernel("st.global.u32 [%o+64], %v;")).unwrap();
        let error = device.time(&bad, "k", &launch, &brief).unwrap_err();
        assert!(matches!(error, DeviceError::Fault { .. }), "{error}");
    });
}

/// A fault stays: nothing but a new process helps, and every call says so.
#[test]
fn faults_stay() {
    with_driver("faults_stay", &["8.0"], |_| {
        let device = Device::cuda(0).unwrap();
        let buffer = Arc::new(device.upload(&[1; 4]).unwrap());
        let (stream, host) = (device.stream().unwrap(), Arc::new(device.alloc_host(4).unwrap()));
        let begun = stream.copy_to_host(&buffer, 0, &host, 0, 4).unwrap();
        let error = launch_of(&device, &kernel("st.global.u32 [%o+64], %v;"), one_block()).unwrap_err();
        assert!(matches!(&error, DeviceError::Fault { entry, .. } if entry == "k"), "{error}");
        let calls = [
            buffer.to_bytes().map(|_| ()),
            buffer.write(0, &[1]),
            buffer.memset(0),
            device.alloc(1).map(|_| ()),
            device.load(&kernel("")).map(|_| ()),
            device.alloc_host(1).map(|_| ()),
            device.stream().map(|_| ()),
            stream.copy_to_host(&buffer, 0, &host, 0, 4).map(|_| ()),
            device.copy(&buffer, 0, &buffer, 2, 2),
            begun.is_done().map(|_| ()),
            begun.wait(),
        ];
        for call in calls {
            let error = call.unwrap_err().to_string();
            assert!(error.contains("CUDA_ERROR_ILLEGAL_ADDRESS"), "{error}");
        }
        // What is dropped now cannot be given back, which is no reason to panic.
        drop((stream, buffer, host, device));
    });
}
