//! Copies of pinned memory on a stream of their own stay under way until somebody waits; all others run at once. One test,
//! because every wait for the whole context, in any thread, is a wait for them.

mod client;

use client::*;
use flashpage_test_driver::Code;
use flashpage_test_driver::context::*;
use flashpage_test_driver::memory::*;
use flashpage_test_driver::pinned::*;
use flashpage_test_driver::stream::*;
use std::ptr::null;

#[test]
fn copies_stand_in_line() {
    begin();
    let pin = |bytes, flags| get(|to: *mut usize| unsafe { cuMemHostAlloc(to.cast(), bytes, flags) });
    for (bytes, flags, code) in
        [(0, 0, Code::INVALID_VALUE), (8, 8, Code::INVALID_VALUE), (1 << 50, 0, Code::OUT_OF_MEMORY)]
    {
        assert_eq!(pin(bytes, flags), Err(code), "{bytes} {flags}");
    }
    let (host, device) = (pin(8, 0).unwrap() as *mut u8, alloc(8));
    let set = |value: u8| unsafe { host.write_bytes(value, 8) };
    let to_device = |stream| unsafe { cuMemcpyHtoDAsync_v2(device, host.cast(), 8, stream) };
    let stream = |flags| get(|to| unsafe { cuStreamCreate(to, flags) }).unwrap();
    let (blocking, beside) = (stream(0), stream(1));
    let event = || get(|to| unsafe { cuEventCreate(to, 0) }).unwrap();

    // What gets a copy out of its line. It takes what is there when it runs.
    type Wait<'w> = &'w dyn Fn(usize, usize) -> Code;
    let waits: [(&str, Wait); 6] = [
        ("the stream", &|stream, _| cuStreamSynchronize(stream)),
        ("the event", &|_, event| cuEventSynchronize(event)),
        ("all", &|_, _| cuCtxSynchronize()),
        ("a stream that waits for the event", &|_, event| cuStreamWaitEvent(0, event, 0)),
        ("asking until it is so", &|_, event| match cuEventQuery(event) {
            Code::NOT_READY => cuEventQuery(event),
            code => code,
        }),
        ("freeing other memory", &|_, _| cuMemFree_v2(alloc(8))),
    ];
    for (what, wait) in waits {
        for (stream, lazy) in [(0, false), (blocking, false), (beside, true)] {
            let behind = event();
            assert_eq!(cuMemsetD8_v2(device, 0, 8), OK);
            set(1);
            assert_eq!((to_device(stream), cuEventRecord(behind, stream)), (OK, OK));
            set(2);
            assert_eq!(read::<8>(device), [u8::from(!lazy); 8], "{what}");
            assert_eq!(wait(stream, behind), OK, "{what}");
            assert_eq!(read::<8>(device), [1 + u8::from(lazy); 8], "{what}");
            assert_eq!(cuEventQuery(behind), OK, "{what}");
        }
    }

    // An event tells of the last record in it, and its wait runs no more than it has to.
    let (first, second) = (event(), event());
    assert_eq!(unsafe { cuMemcpyDtoHAsync_v2(host.cast(), device, 8, beside) }, OK);
    assert_eq!((cuEventRecord(first, beside), cuEventRecord(second, 0)), (OK, OK));
    assert_eq!(cuMemsetD8_v2(device, 3, 8), OK);
    assert_eq!((to_device(beside), cuEventRecord(second, beside)), (OK, OK));
    assert_eq!((cuEventSynchronize(first), cuEventQuery(second)), (OK, Code::NOT_READY));
    assert_eq!(unsafe { host.read() }, 3);
    assert_eq!(cuStreamDestroy_v2(beside), OK);
    assert_eq!(cuEventQuery(second), OK);

    // Ranges are looked at when a copy is issued.
    let beside = stream(1);
    let table = [
        ("past the end", unsafe { cuMemcpyHtoDAsync_v2(device + 1, host.cast(), 8, beside) }),
        ("from nowhere", unsafe { cuMemcpyHtoDAsync_v2(device, null(), 8, beside) }),
        ("of no memory", unsafe { cuMemcpyDtoHAsync_v2(host.cast(), 12, 8, beside) }),
    ];
    for (what, code) in table {
        assert_eq!(code, Code::INVALID_VALUE, "{what}");
    }
    assert_eq!((cuMemFreeHost(host.cast()), cuMemFreeHost(host.cast())), (OK, Code::INVALID_VALUE));
}
