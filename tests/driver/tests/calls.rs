//! The stand-in's calls, one by one, as a C program would make them: what they give, and which code they refuse with.

mod client;

use client::*;
use flashpage_test_driver::Code;
use flashpage_test_driver::context::*;
use flashpage_test_driver::device::*;
use flashpage_test_driver::launch::*;
use flashpage_test_driver::memory::*;
use flashpage_test_driver::module::*;
use flashpage_test_driver::stream::*;
use flashpage_test_driver::tensor_map::*;
use std::ffi::{CStr, CString, c_void};
use std::ptr::{null, null_mut};

fn load(text: &str) -> Result<usize, Code> {
    let text = CString::new(text).unwrap();
    get(|to| unsafe { cuModuleLoadData(to, text.as_ptr().cast()) })
}

fn function(module: usize, name: &CStr) -> Result<usize, Code> {
    get(|to| unsafe { cuModuleGetFunction(to, module, name.as_ptr()) })
}

/// Copies its parameters, of 2, 4 and 8 bytes, to memory.
const COPY: &str = ".version 7.0\n.target sm_80\n.address_size 64\n\
    .visible .entry copy(.param .u64 to, .param .u16 a, .param .align 4 .b8 b[4], .param .u64 c) {\n\
    .reg .u64 %to, %c;\n.reg .u16 %a;\n.reg .u32 %b;\n\
    ld.param.u64 %to, [to];\nld.param.u16 %a, [a];\nld.param.u32 %b, [b];\nld.param.u64 %c, [c];\n\
    st.global.u16 [%to], %a;\nst.global.u32 [%to+4], %b;\nst.global.u64 [%to+8], %c;\nret;\n}\n";

fn copy_kernel() -> usize {
    function(load(COPY).unwrap(), c"copy").unwrap()
}

#[test]
fn handles_are_looked_up() {
    begin();
    let stream = get(|to| unsafe { cuStreamCreate(to, 1) }).unwrap();
    let event = get(|to| unsafe { cuEventCreate(to, 0) }).unwrap();
    let module = load(COPY).unwrap();
    let kernel = function(module, c"copy").unwrap();
    assert_eq!(function(module, c"copy"), Ok(kernel));
    assert_eq!(function(module, c"other"), Err(Code::NOT_FOUND));
    let table = [
        ("synchronise a stream", cuStreamSynchronize(stream), OK),
        ("synchronise the null stream", cuStreamSynchronize(0), OK),
        ("synchronise no stream", cuStreamSynchronize(event), Code::INVALID_HANDLE),
        ("wait for no event", cuStreamWaitEvent(stream, stream, 0), Code::INVALID_HANDLE),
        ("record", cuEventRecord(event, stream), OK),
        ("record on no stream", cuEventRecord(event, 77), Code::INVALID_HANDLE),
        ("record no event", cuEventRecord(0, 0), Code::INVALID_HANDLE),
        ("destroy an event", cuEventDestroy_v2(event), OK),
        ("destroy it again", cuEventDestroy_v2(event), Code::INVALID_HANDLE),
        ("destroy a stream", cuStreamDestroy_v2(stream), OK),
        ("destroy it again", cuStreamDestroy_v2(stream), Code::INVALID_HANDLE),
        ("set an attribute", cuFuncSetAttribute(kernel, 8, 1024), OK),
        ("set an attribute that is none", cuFuncSetAttribute(kernel, 4, 1), Code::INVALID_VALUE),
        ("set an attribute of no function", cuFuncSetAttribute(module, 8, 1), Code::INVALID_HANDLE),
        ("unload no module", cuModuleUnload(kernel), Code::INVALID_HANDLE),
        ("unload", cuModuleUnload(module), OK),
        ("unload again", cuModuleUnload(module), Code::INVALID_HANDLE),
        ("a function of a module that is gone", cuFuncSetAttribute(kernel, 8, 1), Code::INVALID_HANDLE),
        ("no context", cuCtxSetCurrent(12), Code::INVALID_CONTEXT),
        ("no device", cuDevicePrimaryCtxRelease_v2(1), Code::INVALID_DEVICE),
        ("no flags yet", cuInit(1), Code::INVALID_VALUE),
    ];
    for (what, code, expected) in table {
        assert_eq!(code, expected, "{what}");
    }
}

#[test]
fn memory() {
    begin();
    let (a, b) = (alloc(8), alloc(8));
    let host = [1u8, 2, 3, 4, 5, 6, 7, 8];
    let from = host.as_ptr().cast::<c_void>();
    let table = [
        ("write", unsafe { cuMemcpyHtoD_v2(a, from, 8) }, OK),
        ("write past the end", unsafe { cuMemcpyHtoD_v2(a + 1, from, 8) }, Code::INVALID_VALUE),
        ("write nothing", unsafe { cuMemcpyHtoD_v2(a, null(), 0) }, OK),
        ("write from nowhere", unsafe { cuMemcpyHtoD_v2(a, null(), 8) }, Code::INVALID_VALUE),
        ("read to nowhere", unsafe { cuMemcpyDtoH_v2(null_mut(), a, 8) }, Code::INVALID_VALUE),
        ("read far too much", unsafe { cuMemcpyDtoH_v2(null_mut(), a, usize::MAX) }, Code::INVALID_VALUE),
        ("copy", cuMemcpyDtoDAsync_v2(b, a + 4, 4, 0), OK),
        ("copy on no stream", cuMemcpyDtoDAsync_v2(b, a, 4, 99), Code::INVALID_HANDLE),
        ("copy past the end", cuMemcpyDtoD_v2(b + 4, a, 8), Code::INVALID_VALUE),
        ("set a byte", cuMemsetD8_v2(b + 4, 9, 2), OK),
        ("set 16 bits", cuMemsetD16Async(b + 6, 0x0b0a, 1, 0), OK),
        ("set 32 bits at an odd place", cuMemsetD32_v2(b + 2, 0, 1), Code::INVALID_VALUE),
        ("set past the end", cuMemsetD8Async(b, 0, 9, 0), Code::INVALID_VALUE),
        ("set far too much", cuMemsetD32Async(b, 0, usize::MAX, 0), Code::INVALID_VALUE),
        ("free from within", cuMemFree_v2(a + 1), Code::INVALID_VALUE),
        ("free", cuMemFree_v2(a), OK),
        ("free again", cuMemFree_v2(a), Code::INVALID_VALUE),
        ("free nothing", cuMemFree_v2(0), OK),
        ("write to what is gone", unsafe { cuMemcpyHtoD_v2(a, from, 8) }, Code::INVALID_VALUE),
    ];
    for (what, code, expected) in table {
        assert_eq!(code, expected, "{what}");
    }
    assert_eq!(read(b), [5, 6, 7, 8, 9, 9, 10, 11]);
    for (bytes, code) in [(0, Code::INVALID_VALUE), (1 << 50, Code::OUT_OF_MEMORY)] {
        assert_eq!(get(|to| unsafe { cuMemAlloc_v2(to, bytes) }), Err(code), "{bytes}");
    }
    assert_eq!(unsafe { cuMemAlloc_v2(null_mut(), 8) }, Code::INVALID_VALUE);
}

#[test]
fn launches_read_what_the_entry_declares() {
    begin();
    let (kernel, out) = (copy_kernel(), alloc(16));
    // Each argument ends where its parameter does: a tool that watches memory would see a longer read.
    let (a, b, c) = (0x1122u16, 0x33445566u32, 0x778899aabbccddeeu64);
    let params: [*const c_void; 4] =
        [(&raw const out).cast(), (&raw const a).cast(), (&raw const b).cast(), (&raw const c).cast()];
    let launch = |grid: u32, block: u32, shared: u32, stream: usize, params: *const *const c_void| unsafe {
        cuLaunchKernel(kernel, grid, 1, 1, block, 1, 1, shared, stream, params, null())
    };
    assert_eq!(cuMemsetD8_v2(out, 0, 16), OK);
    assert_eq!(launch(1, 1, 0, 0, params.as_ptr()), OK);
    let mut expected = [0; 16];
    expected[..2].copy_from_slice(&a.to_le_bytes());
    expected[4..8].copy_from_slice(&b.to_le_bytes());
    expected[8..].copy_from_slice(&c.to_le_bytes());
    assert_eq!(read(out), expected);
    let holes = [params[0], null(), params[2], params[3]];
    let table = [
        ("no parameters", launch(1, 1, 0, 0, null()), Code::INVALID_VALUE),
        ("a parameter that is nowhere", launch(1, 1, 0, 0, holes.as_ptr()), Code::INVALID_VALUE),
        ("no blocks", launch(0, 1, 0, 0, params.as_ptr()), Code::INVALID_VALUE),
        ("too many threads", launch(1, 1025, 0, 0, params.as_ptr()), Code::INVALID_VALUE),
        (
            "shared memory that was not asked for",
            launch(1, 1, 49153, 0, params.as_ptr()),
            Code::INVALID_VALUE,
        ),
        ("asking for more than there is", cuFuncSetAttribute(kernel, 8, 227 * 1024 + 1), Code::INVALID_VALUE),
        ("asking for it", cuFuncSetAttribute(kernel, 8, 227 * 1024), OK),
        ("shared memory that was asked for", launch(1, 1, 227 * 1024, 0, params.as_ptr()), OK),
        ("no stream", launch(1, 1, 0, 5, params.as_ptr()), Code::INVALID_HANDLE),
        ("the per-thread stream", launch(1, 1, 0, 2, params.as_ptr()), OK),
        (
            "no configuration",
            unsafe { cuLaunchKernelEx(null(), kernel, params.as_ptr(), null()) },
            Code::INVALID_VALUE,
        ),
    ];
    for (what, code, expected) in table {
        assert_eq!(code, expected, "{what}");
    }
    // Cooperative, programmatic and one that is none, of a kernel that touches no memory before it waits.
    let [cooperative, programmatic, unknown] = [2, 6, 99];
    let wait = "griddepcontrol.wait;\nld.param.u64 %to, [to];";
    let text = COPY.replace("sm_80", "sm_90").replacen("ld.param.u64 %to, [to];", wait, 1);
    let waits = function(load(&text.replace(".version 7.0", ".version 7.8")).unwrap(), c"copy").unwrap();
    let with = |attributes: &[(u32, u32)]| {
        let attribute = |(id, flag): &(u32, u32)| {
            let mut value = [0; 16];
            value[0] = *flag;
            LaunchAttribute { id: *id, pad: [0; 4], value }
        };
        let attributes: Vec<LaunchAttribute> = attributes.iter().map(attribute).collect();
        let config = LaunchConfig {
            grid: [1; 3],
            block: [1; 3],
            shared_bytes: 0,
            stream: 0,
            attributes: attributes.as_ptr(),
            attribute_count: attributes.len() as u32,
        };
        unsafe { cuLaunchKernelEx(&config, waits, params.as_ptr(), null()) }
    };
    let table: [(&[(u32, u32)], Code); 6] = [
        (&[], OK),
        (&[(programmatic, 1)], OK),
        (&[(programmatic, 0), (cooperative, 1)], OK),
        (&[(programmatic, 1), (cooperative, 0)], OK),
        (&[(programmatic, 1), (cooperative, 1)], Code::INVALID_VALUE),
        (&[(unknown, 1)], Code::INVALID_VALUE),
    ];
    for (attributes, expected) in table {
        assert_eq!(with(attributes), expected, "{attributes:?}");
    }
    assert_eq!(cuCtxSynchronize(), OK);
}

/// `CU_JIT_ERROR_LOG_BUFFER` and its size: a message is cut to the room there is, and ends in a zero.
#[test]
fn the_compiler_says_why() {
    begin();
    let text = CString::new(COPY.replace("ret;", "frob;")).unwrap();
    let message = "flashpage stand-in driver: 15:1: unknown opcode `frob`";
    for room in [1usize, 2, 20, 512] {
        let mut log = vec![0xffu8; room];
        let mut options = [5, 6];
        let mut values = [log.as_mut_ptr().cast::<c_void>(), room as *mut c_void];
        let mut module = 0;
        let code = unsafe {
            cuModuleLoadDataEx(
                &mut module,
                text.as_ptr().cast(),
                2,
                options.as_mut_ptr(),
                values.as_mut_ptr(),
            )
        };
        assert_eq!((code, module), (Code::INVALID_PTX, 0));
        let said = CStr::from_bytes_until_nul(&log).unwrap().to_str().unwrap();
        let length = message.len().min(room - 1);
        assert_eq!(said[..length.min(said.len())], message[..length], "{room}");
        assert_eq!(values[1] as u32 as usize, said.len());
    }
    let table = [
        (COPY.replace("sm_80", "sm_90"), OK),
        (COPY.replace("sm_80", "sm_90a"), OK),
        (COPY.replace("sm_80", "sm_80a"), Code::NO_BINARY_FOR_GPU),
        (COPY.replace("sm_80", "sm_100"), Code::NO_BINARY_FOR_GPU),
        (COPY.replace("sm_80", "sm_100f"), Code::NO_BINARY_FOR_GPU),
        (COPY.replace("7.0", "9.9"), Code::UNSUPPORTED_PTX_VERSION),
        ("\x7fELF".into(), Code::NO_BINARY_FOR_GPU),
        (String::new(), Code::INVALID_PTX),
    ];
    for (text, expected) in table {
        assert_eq!(
            load(&text).map_or_else(|code| code, |_| OK),
            expected,
            "{}",
            text.lines().take(2).collect::<String>()
        );
    }
}

#[test]
fn events() {
    begin();
    let event = |flags| get(|to| unsafe { cuEventCreate(to, flags) }).unwrap();
    let elapsed = |a, b| get(|to: *mut f32| unsafe { cuEventElapsedTime(to, a, b) });
    let (start, end, untimed) = (event(0), event(1), event(2));
    assert_eq!(cuEventRecord(start, 0), OK);
    assert_eq!(elapsed(start, end), Err(Code::INVALID_HANDLE), "not recorded");
    std::thread::sleep(std::time::Duration::from_millis(5));
    assert_eq!((cuEventRecord(end, 0), cuEventRecord(untimed, 0)), (OK, OK));
    assert_eq!((cuEventSynchronize(end), cuEventQuery(end)), (OK, OK));
    let ms = elapsed(start, end).unwrap();
    assert!((5.0..5000.0).contains(&ms), "{ms}");
    assert_eq!(elapsed(end, start), Ok(-ms));
    assert_eq!(elapsed(start, untimed), Err(Code::INVALID_HANDLE), "has no time");
}

#[test]
fn what_the_device_says() {
    begin();
    let mut name = [0x7fu8; 64];
    for (room, expected) in [(64, "flashpage stand-in driver (emulated)"), (10, "flashpage"), (1, "")] {
        assert_eq!(unsafe { cuDeviceGetName(name.as_mut_ptr().cast(), room, 0) }, OK);
        assert_eq!(CStr::from_bytes_until_nul(&name).unwrap().to_str().unwrap(), expected);
    }
    let attribute = |number| get(|to| unsafe { cuDeviceGetAttribute(to, number, 0) });
    // The capability, shared memory by default and at most, lanes, and one that is none.
    for (number, expected) in [
        (75, Ok(9)),
        (76, Ok(0)),
        (8, Ok(49152)),
        (97, Ok(232448)),
        (10, Ok(32)),
        (0, Err(Code::INVALID_VALUE)),
    ] {
        assert_eq!(attribute(number), expected, "{number}");
    }
    assert_eq!(get(|to| unsafe { cuDeviceGet(to, 1) }), Err(Code::INVALID_DEVICE));
    let kernel = copy_kernel();
    let blocks = |threads, shared| {
        get(|to| unsafe { cuOccupancyMaxActiveBlocksPerMultiprocessor(to, kernel, threads, shared) })
    };
    // By the number of blocks, by threads, by shared memory; and one that was not asked for.
    for (threads, shared, expected) in
        [(32, 0, 32), (128, 0, 16), (100, 0, 16), (128, 47 << 10, 4), (128, 49 << 10, 0)]
    {
        assert_eq!(blocks(threads, shared), Ok(expected), "{threads} {shared}");
    }
}

#[test]
fn tensor_maps() {
    begin();
    #[repr(align(64))]
    struct Map([u8; 192]);
    let mut map = Map([0; 192]);
    let mut encode = |offset: usize, ty: u32, rank: u32, strides: *const u64, swizzle: u32| unsafe {
        let (dims, sizes, steps) = ([64u64, 8], [64u32, 8], [1u32, 1]);
        let to = map.0.as_mut_ptr().add(offset).cast();
        cuTensorMapEncodeTiled(
            to,
            ty,
            rank,
            4096,
            dims.as_ptr(),
            strides,
            sizes.as_ptr(),
            steps.as_ptr(),
            0,
            swizzle,
            0,
            0,
        )
    };
    let strides = [128u64];
    let table = [
        ("f16", encode(0, 6, 2, strides.as_ptr(), 3), OK),
        ("of one dimension", encode(0, 6, 1, null(), 3), OK),
        ("not aligned to 64 bytes", encode(16, 6, 2, strides.as_ptr(), 3), Code::INVALID_VALUE),
        ("of no type", encode(0, 13, 2, strides.as_ptr(), 3), Code::INVALID_VALUE),
        ("of no dimension", encode(0, 6, 0, strides.as_ptr(), 3), Code::INVALID_VALUE),
        ("without strides", encode(0, 6, 2, null(), 3), Code::INVALID_VALUE),
        ("a box wider than its swizzle", encode(0, 6, 2, strides.as_ptr(), 2), Code::INVALID_VALUE),
    ];
    for (what, code, expected) in table {
        assert_eq!(code, expected, "{what}");
    }
    assert_ne!(map.0[..128], [0; 128]);
    assert_eq!(map.0[128..], [0; 64]);
}
