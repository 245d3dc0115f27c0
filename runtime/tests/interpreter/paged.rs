//! Keys and values in blocks.

use crate::inputs::{D, Inputs, KV_HEADS, attention, program};
use flashpage_codegen::frontend::parse_program_source;
use flashpage_runtime::{Argument, BlockTable, Pool, PoolLayout, Tensor, plain, reference};
use half::f16;

/// The same keys and values through block tables give the same bits.
#[test]
fn paged_and_contiguous_are_the_same() {
    let contiguous = attention!(
        "let s = dot(q, k.load(cols).t()).mask(|at| at.col <= at.row); let p = softmax.step(s, &mut acc);
         acc += dot(p, v.load(cols));"
    );
    let inputs = Inputs::new(&[(5, 9), (3, 40), (2, 0)], |_, _, _| {});
    let device = inputs.tensors[0].device().clone();
    let (block_size, width) = (8, 6);
    let mut entries = vec![-1; 3 * width];
    let blocks = 9;
    let mut pools =
        [PoolLayout::Nhd, PoolLayout::Hnd].map(|_| vec![f16::NAN; blocks * block_size * KV_HEADS * D]);
    let (mut first, mut block) = (0, blocks);
    for (sequence, (_, kv_len)) in inputs.lens.iter().enumerate() {
        for token in 0..*kv_len {
            if token % block_size == 0 {
                block -= 1;
                entries[sequence * width + token / block_size] = block as i32;
            }
            for head in 0..KV_HEADS {
                let from = ((first + token) * KV_HEADS + head) * D;
                let at = token % block_size;
                let nhd = ((block * block_size + at) * KV_HEADS + head) * D;
                let hnd = ((block * KV_HEADS + head) * block_size + at) * D;
                pools[0][nhd..nhd + D].copy_from_slice(&inputs.k[from..from + D]);
                pools[1][hnd..hnd + D].copy_from_slice(&inputs.v[from..from + D]);
            }
        }
        first += kv_len;
    }
    let kv_lens: Vec<i32> = inputs.lens.iter().map(|lens| lens.1 as i32).collect();
    let table = BlockTable::new(&device, &entries, width, &kv_lens).unwrap();
    let k = Tensor::from_slice(&device, &pools[0], &[blocks, block_size, KV_HEADS, D]).unwrap();
    let v = Tensor::from_slice(&device, &pools[1], &[blocks, KV_HEADS, block_size, D]).unwrap();
    let text = contiguous.replace("k.tiles(", "table.tiles(").replace(".load(", ".gather(table, ");
    let source = format!(
        "fn form<T: Element, const D: usize>(q: Query<T, D>, k: PagedKeys<T, D>, v: PagedValues<T, D>, o: Output<T, D>, \
         lse: RowOutput, table: BlockTable) {{ let q = q.tile(); {text} }}"
    );
    let (paged, contiguous) = (parse_program_source(&source).unwrap(), program("", contiguous));
    let plain_arguments = inputs.arguments(&contiguous);
    let mut arguments = plain_arguments.clone();
    arguments[1] = Argument::Pool(Pool { tensor: &k, layout: PoolLayout::Nhd });
    arguments[2] = Argument::Pool(Pool { tensor: &v, layout: PoolLayout::Hnd });
    arguments.push(Argument::Table(&table));
    for run in [reference, plain] {
        assert_eq!(run(&paged, &arguments).unwrap(), run(&contiguous, &plain_arguments).unwrap());
    }
}
