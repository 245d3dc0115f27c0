//! Cases that are wrong, by field, and how arguments become bytes.

use super::*;
use crate::args::{Argument, PoolLayout};
use crate::batch::Batch;
use crate::launch::{LaunchOptions, plan};
use crate::problem::Problem;
use crate::test_kernels::{contiguous, edited, paged};
use flashpage_codegen::Arch;

const PTX: &str = ".version 7.0\n.target sm_80\n.address_size 64\n.visible .entry k(.param .u64 a, .param .u32 n, .param .align 8 .b8 s[16]) { ret; }\n";

/// A folder with `kernel.ptx`, `x.npy` (f32 × 4) and this `launch.json`.
fn folder(json: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("kernel.ptx"), PTX).unwrap();
    let array = Array { ty: NumberType::F32, shape: vec![4], bytes: vec![0; 16] };
    array.save(&dir.path().join("x.npy")).unwrap();
    let path = dir.path().join("launch.json");
    std::fs::write(&path, json).unwrap();
    (dir, path)
}

fn document(buffers: &str, args: &str, expected: &str) -> String {
    format!(
        r#"{{"ptx": "kernel.ptx", "entry": "k", "grid": [1, 1, 1], "block": [32, 1, 1],
            "buffers": {{{buffers}}}, "args": [{args}], "expected": {{{expected}}}}}"#
    )
}

#[test]
fn what_is_wrong_is_named() {
    let x = r#""x": {"npy": "x.npy"}"#;
    let map = |change: &str| {
        let mut fields = serde_json::json!({"buffer": "x", "dtype": "f16", "dims": [8, 8], "strides": [16],
            "box": [8, 8], "element_strides": [1, 1], "swizzle": "none", "interleave": "none",
            "l2_promotion": "none", "oob_fill": "zeros"});
        let changes: serde_json::Value = serde_json::from_str(change).unwrap();
        for (name, value) in changes.as_object().unwrap() {
            fields[name] = value.clone();
        }
        document(x, &format!(r#"{{"tensor_map": {fields}}}"#), "")
    };
    let table = [
        ("[]".to_string(), "the document: expected an object, found a list"),
        (
            r#"{"ptx": "kernel.ptx", "entry": "k", "block": [1, 1, 1]}"#.into(),
            "the document: the field `grid` is missing",
        ),
        (
            r#"{"ptx": "kernel.ptx", "blocks": []}"#.into(),
            "the document: unknown field `blocks`: it takes `ptx`, `entry`, `grid`, `block`, `cluster`, `dynamic_shared_bytes`, `cooperative`, `programmatic`, `buffers`, `args`, `expected`",
        ),
        (
            r#"{"ptx": "kernel.ptx", "entry": "k", "grid": [1, 1, 1], "block": [1, 1, 1], "cooperative": 1}"#
                .into(),
            "cooperative: expected true or false, found 1",
        ),
        (
            r#"{"ptx": "kernel.ptx", "entry": "k", "grid": [1, 1], "block": [1, 1, 1]}"#.into(),
            "grid: expected three numbers, found 2",
        ),
        (
            r#"{"ptx": "kernel.ptx", "entry": "k", "grid": [1, 0, 1], "block": [1, 1, 1]}"#.into(),
            "grid[1]: expected an integer from 1 to 2147483647, found 0",
        ),
        (document(r#""x": {"dtype": "f32"}"#, "", ""), "buffers.x: the field `shape` is missing"),
        (
            document(r#""x": {"dtype": "f31", "shape": []}"#, "", ""),
            "buffers.x.dtype: unknown dtype `f31`: write one of f16, bf16, f32, f64, i8, i16, i32, i64, u8, u16, u32, u64, bool, e4m3, e5m2",
        ),
        (
            document(r#""x": {"dtype": "f32", "shape": [4, -1]}"#, "", ""),
            "buffers.x.shape[1]: expected an integer from 0 to 9223372036854775807, found -1",
        ),
        (
            document(r#""x": {"dtype": "f64", "shape": [4294967296, 4294967296]}"#, "", ""),
            "buffers.x.shape: the buffer would be too large",
        ),
        (
            document(r#""x": {"dtype": "f32", "shape": [4], "fill": "zero"}"#, "", ""),
            "buffers.x.fill: expected a number, \"nan\", \"inf\" or \"-inf\", found `zero`",
        ),
        (
            document(r#""x": {"dtype": "i32", "shape": [4], "fill": "nan"}"#, "", ""),
            "buffers.x.fill: i32 has no NaN: give a number",
        ),
        (
            document(r#""x": {"npy": "x.npy", "shape": [4]}"#, "", ""),
            "buffers.x.shape: the file says it: drop this field, or `npy`",
        ),
        (
            document(r#""x": {"npy": "x.npy", "dtype": "bf16"}"#, "", ""),
            "buffers.x: the file holds f32, whose bits are no bf16: the sizes differ",
        ),
        (
            document(r#""a/b": {"dtype": "f32", "shape": []}"#, "", ""),
            "buffers.a/b: a buffer's name is part of a file name: it takes no slashes",
        ),
        (
            document(
                r#""x": {"npy": "x.npy"}, "y": {"dtype": "f32", "shape": [1]}"#,
                r#"{"buffer": "z"}"#,
                "",
            ),
            "args[0].buffer: there is no buffer `z`: there are `x`, `y`",
        ),
        (
            document(x, r#"{"buffer": "x", "byte_offset": 17}"#, ""),
            "args[0].byte_offset: expected an integer from 0 to 16, found 17",
        ),
        (
            document(x, r#"{"i32": 1}, {"f33": 1}"#, ""),
            "args[1]: expected one of `buffer`, `bytes`, `struct`, `tensor_map`, `f16`, `bf16`, `f32`, `f64`, `i8`, `i16`, `i32`, `i64`, `u8`, `u16`, `u32`, `u64`",
        ),
        (document(x, r#"{"i32": 1, "align": 4}"#, ""), "args[0]: unknown field `align`: it takes `i32`"),
        (
            document(x, r#"{"i32": 2147483648}"#, ""),
            "args[0].i32: expected an integer from -2147483648 to 2147483647, found 2147483648",
        ),
        (document(x, r#"{"u8": 1.5}"#, ""), "args[0].u8: expected an integer from 0 to 255, found 1.5"),
        (
            document(x, r#"{"bytes": "abc"}"#, ""),
            "args[0].bytes: expected an even number of hexadecimal digits, found `abc`",
        ),
        (
            document(x, r#"{"struct": [{"i32": 1}, {"f32": null}]}"#, ""),
            "args[0].struct[1].f32: expected a number, found null",
        ),
        (document(x, r#"{"struct": [], "align": 3}"#, ""), "args[0].align: expected a power of two, found 3"),
        (
            map(r#"{"swizzle": "256B"}"#),
            "args[0].tensor_map.swizzle: `256B` is not one of `none`, `32B`, `64B`, `128B`",
        ),
        (map(r#"{"strides": []}"#), "args[0].tensor_map: strides has 0 numbers: with 2 dims it takes 1"),
        (map(r#"{"byte_offset": 8}"#), "args[0].tensor_map: the address 0x8 is not a multiple of 16"),
        (document(x, "", r#""y": {"npy": "x.npy"}"#), "expected.y: there is no buffer `y`: there are `x`"),
        (
            document(r#""x": {"dtype": "f32", "shape": [5]}"#, "", r#""x": {"npy": "x.npy"}"#),
            "expected.x: 4 elements are expected of a buffer that has 5",
        ),
        (
            document(x, "", r#""x": {"npy": "x.npy", "max_abs": -1}"#),
            "expected.x.max_abs: expected a number of zero or more, found -1",
        ),
    ];
    for (json, expected) in table {
        let (_dir, path) = folder(&json);
        let error = Case::load(&path).expect_err(&json).to_string();
        assert_eq!(error, format!("{}: {expected}", path.display()));
    }
}

#[test]
fn files_that_are_not_there_are_named() {
    let (dir, path) = folder(&document(r#""x": {"npy": "y.npy"}"#, "", ""));
    let error = Case::load(&path).unwrap_err().to_string();
    assert!(
        error.starts_with(&format!("{}: cannot read it: ", dir.path().join("y.npy").display())),
        "{error}"
    );
    std::fs::remove_file(dir.path().join("kernel.ptx")).unwrap();
    let error = Case::load(&path).unwrap_err().to_string();
    assert!(
        error.starts_with(&format!("{}: cannot read it: ", dir.path().join("kernel.ptx").display())),
        "{error}"
    );
    std::fs::write(&path, "{,").unwrap();
    let error = Case::load(&path).unwrap_err().to_string();
    assert!(error.starts_with(&format!("{}: key must be a string at line 1", path.display())), "{error}");
}

#[test]
fn arguments_become_bytes() {
    let device = Device::emulator();
    let (_dir, path) = folder(&document(
        r#""x": {"npy": "x.npy"}"#,
        r#"{"i32": -2}, {"f16": 0.5}, {"f32": "inf"}, {"u64": 18446744073709551615}, {"bytes": "00ff"},
           {"struct": [{"u8": 1}, {"i32": 3}, {"struct": [{"u16": 2}], "align": 4}], "align": 8},
           {"buffer": "x", "byte_offset": 4}"#,
        "",
    ));
    let case = Case::load(&path).unwrap();
    let x = device.alloc(16).unwrap();
    let address = (x.address() + 4).to_le_bytes().to_vec();
    let buffers = BTreeMap::from([("x", x)]);
    let encoded: Vec<Vec<u8>> =
        case.args.iter().map(|arg| encode(arg, &device, &buffers).unwrap().0).collect();
    let expected: [Vec<u8>; 7] = [
        vec![0xFE, 0xFF, 0xFF, 0xFF],
        vec![0x00, 0x38],
        vec![0, 0, 0x80, 0x7F],
        vec![0xFF; 8],
        vec![0x00, 0xFF],
        vec![1, 0, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0],
        address,
    ];
    assert_eq!(encoded, expected);
}

#[test]
fn parameters_must_be_the_entrys() {
    let table = [
        (vec![8, 4, 16], ""),
        (vec![8, 4], "args: `k` takes 3 parameters, and 2 are given"),
        (vec![8, 8, 16], "args[1]: parameter `n` has 4 bytes, and 8 are given"),
        (vec![8, 4, 12], "args[2]: parameter `s` has 16 bytes, and 12 are given"),
    ];
    let (_dir, path) = folder(&document("", "", ""));
    let mut case = Case::load(&path).unwrap();
    for (sizes, expected) in table {
        let params: Vec<Vec<u8>> = sizes.into_iter().map(|size| vec![0; size]).collect();
        let message = case.check_params(&params).map_or_else(|error| error.to_string(), |()| String::new());
        let expected =
            if expected.is_empty() { String::new() } else { format!("{}: {expected}", path.display()) };
        assert_eq!(message, expected);
    }
    case.entry = "other".into();
    assert_eq!(
        case.check_params(&[]).unwrap_err().to_string(),
        "the module has no entry `other`: it has `k`"
    );
}

/// What a case of one of our kernels says of its parameters is what the kernel is launched with.
#[test]
fn made_cases_say_what_is_launched() {
    let dense = Problem { q_heads: 4, kv_heads: 2, lens: vec![(70, 90), (3, 20)], ..Problem::default() };
    let hnd = Problem { layout: PoolLayout::Hnd, block_size: 24, head_dim: 128.into(), ..dense.clone() };
    let none = Problem { lens: vec![(1, 0)], ..dense.clone() };
    // An output whose name is no name in PTX.
    let odd = edited(&[
        ("o: Output", "max: Output"),
        ("o.store", "max.store"),
        (" v: ", " q_starts: "),
        ("v.load", "q_starts.load"),
    ]);
    let table = [
        (contiguous(), &dense, ["q", "k", "v", "o", "lse"]),
        (contiguous(), &none, ["q", "k", "v", "o", "lse"]),
        (odd, &dense, ["q", "k", "q_starts", "max", "lse"]),
        (paged(), &dense, ["q", "k", "v", "o", "lse"]),
        (paged(), &hnd, ["q", "k", "v", "o", "lse"]),
    ];
    for (program, problem, names) in &table {
        for arch in [Arch::Sm80, Arch::Sm90a] {
            let dir = tempfile::tempdir().unwrap();
            let options = LaunchOptions { arch: Some(arch), ..LaunchOptions::default() };
            let case = Case::load(make_case(dir.path(), program, problem, &options).unwrap()).unwrap();
            let what = format!("{arch}: {problem}");
            assert!(
                names.iter().all(|name| case.buffers.contains_key(*name)),
                "{what}: {:?}",
                case.buffers.keys()
            );
            assert!(case.expected.keys().eq([names[4], names[3]].iter().copied()), "{what}");

            let device = Device::emulator();
            let inputs = problem.inputs(&device, program).unwrap();
            let arguments = inputs.arguments();
            let batch = Batch::check(program, &arguments).unwrap();
            let launch = plan(&device, &batch, &options).unwrap().ready.unwrap().launch;
            assert_eq!((case.grid, case.block), (launch.grid, launch.block), "{what}");
            assert_eq!(case.dynamic_shared_bytes, launch.dynamic_shared_bytes, "{what}");
            let address = |name: &str| {
                let index = program.params.iter().position(|param| param.name == name)?;
                Some(match &arguments[index] {
                    Argument::Ragged(ragged) => ragged.tensor.address(),
                    Argument::Pool(pool) => pool.tensor.address(),
                    Argument::Table(table) => table.entries_tensor().address(),
                    Argument::Output(tensor) => tensor.address(),
                    other => panic!("{what}: {name} is {other:?}"),
                })
            };
            let mut maps = Vec::new();
            for (arg, bytes) in case.args.iter().zip(&launch.params) {
                let said = match arg {
                    Arg::TensorMap { buffer, byte_offset: 0, map } => {
                        maps.push(buffer.as_str());
                        device.encode_tensor_map(address(buffer).unwrap(), map).unwrap().to_vec()
                    }
                    Arg::Address { buffer, byte_offset: 0 } => match address(buffer) {
                        Some(address) => address.to_le_bytes().to_vec(),
                        // Starts and lengths, which are no parameters of the kernel.
                        None => bytes.clone(),
                    },
                    Arg::Scalar(number) => number.clone(),
                    other => panic!("{what}: {other:?}"),
                };
                assert_eq!(said, *bytes, "{what}: {arg:?}");
            }
            assert_eq!(case.args.len(), launch.params.len(), "{what}");
            assert_eq!(maps, if arch == Arch::Sm90a { &names[..4] } else { &[] }, "{what}");
        }
    }
}
