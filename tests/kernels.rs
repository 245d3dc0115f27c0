//! The stock kernels' programs, and that every way to read a kernel reads the same.

use flashpage::codegen::frontend;
use flashpage::kernels::{catalogue, find};

#[test]
fn programs() {
    for stock in catalogue() {
        let program = (stock.program)();
        assert_eq!(program.name, stock.name);
        assert_eq!(program.validate(), Ok(()));
        insta::assert_snapshot!(stock.name, program);
    }
}

#[test]
fn the_macro_and_the_file_agree() {
    let text = include_str!("../src/kernels.rs");
    let names: Vec<&str> = catalogue().iter().map(|stock| stock.name).collect();
    assert_eq!(frontend::kernel_names(text).unwrap(), names);
    for stock in catalogue() {
        assert_eq!(&frontend::parse_file(text, Some(stock.name)).unwrap(), (stock.program)());
    }
    assert!(find("no_such_kernel").is_none());
}
