//! The kernels use all that the language has.

use user_kernels::KERNELS;

/// The text of the kernels.
const SOURCES: [&str; 9] = [
    include_str!("../../src/biases.rs"),
    include_str!("../../src/calls.rs"),
    include_str!("../../src/numbers.rs"),
    include_str!("../../src/packing.rs"),
    include_str!("../../src/positions.rs"),
    include_str!("../../src/softmaxes.rs"),
    include_str!("../../src/sparse.rs"),
    include_str!("../../src/temperatures.rs"),
    include_str!("../../src/trees.rs"),
];

/// Words of the page of the language: types of parameters, places, methods of numbers, operators, literals and forms.
const WORDS: &str = "
    Query< Keys< Values< PagedKeys< PagedValues< BlockTable Output< RowOutput PerHead<f32> PerHead<i32> PerSequence<f32>
    PerSequence<i32> PerQuery<f32> PerQuery<i32> PerKey<f32> PerKey<i32> Bias<T> Bias<f32> Bias<bf16> Bias<f16> BitMask
    f32, i32, bool, Output<f32 Output<bf16 Output<U, Values<T,E> Query<f32, Query<f16, Query<bf16, 128> 192> 32> .slice::<64>
    at.row at.col at.query at.head at.seq at.q_len at.kv_len at.random(
    .abs() .ceil() .clamp( .cos() .exp() .exp2() .floor() .ln() .log2() .max( .min( .mul_add( .powf( .powi( .recip()
    .round_ties_even() .sin() .sqrt() .tanh() .trunc() .div_euclid( .pow( .rem_euclid( .signum() .wrapping_add(
    .wrapping_mul( .wrapping_sub(
    && || | & ^ << >> % / == != !is_causal !at.col asf32 asi32 select( if letmut const f32::MIN i32::MAX i32::MIN let( 1e9 -1e9 0x
    .map(| .mask(| .sink(| .lse() .lse_base2() .t() Tile::zeros() Tile::resume( OnlineSoftmax::resume( OnlineSoftmax::resume_base2(
    RowInput Input<T, Input<f32, #[score_function] .mask(causal)
";

#[test]
fn every_construct_is_used() {
    let text: String = SOURCES.concat().chars().filter(|char| !char.is_whitespace()).collect();
    let missing: Vec<&str> = WORDS.split_whitespace().filter(|word| !text.contains(word)).collect();
    assert!(missing.is_empty(), "no kernel has {missing:?}");
}

/// Every kernel of the files is in the table, under its own name, once.
#[test]
fn the_table_has_every_kernel() {
    assert!(KERNELS.len() >= 50, "{} kernels", KERNELS.len());
    let written: usize = SOURCES.iter().map(|source| source.matches("#[attention_kernel]").count()).sum();
    assert_eq!(written, KERNELS.len());
    let mut names: Vec<&str> = KERNELS.iter().map(|kernel| kernel.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), KERNELS.len());
    for kernel in KERNELS {
        assert_eq!(kernel.name.split_once(':').map(|name| name.1), Some((kernel.program)().name.as_str()));
    }
}

/// What a person sees first of a kernel is what it computes, or who asks for it.
#[test]
fn every_kernel_says_what_it_is() {
    for source in SOURCES {
        for (index, line) in
            source.lines().enumerate().filter(|(_, line)| line.starts_with("#[attention_kernel]"))
        {
            let before = source.lines().nth(index - 1);
            assert!(before.is_some_and(|line| line.starts_with("/// ")), "{index}: {line} after {before:?}");
        }
    }
}
