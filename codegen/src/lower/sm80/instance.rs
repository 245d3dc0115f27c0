//! Which sequence, heads and rows a block owns, and where in the tensors they lie.
//!
//! A tile's rows are (query token, packed head) pairs: row `r` of a sequence is token `r / packed` and head
//! `head0 + r % packed`. With one packed head that is the token itself; with all heads of a group it lets one
//! decoded token fill a tile. Each lane works out the pair of one row of its warp and the others ask for it
//! by `shfl`, so the division is done once.

use super::Kernel;
use crate::abi::Meaning;
use flashpage_ptx::ast::Axis;
use flashpage_ptx::builder::{Reg, vector};
use flashpage_ptx::words::{Opcode, Space, Special, Type, Word};

/// Registers that say what this block works on.
pub(super) struct Instance {
    /// Lane of the warp.
    pub lane: Reg,
    /// Thread of the block.
    pub thread: Reg,
    /// First of the warp's rows within the tile.
    pub warp_row: Reg,
    /// `lane % 4 * 2`: first column of a lane within an accumulator block.
    pub lane_col: Reg,
    /// Sequence of the batch.
    pub sequence: Reg,
    /// First token of the sequence's queries.
    pub q_begin: Reg,
    /// First token of the sequence's keys; contiguous sources only.
    pub kv_begin: Option<Reg>,
    /// Keys of the sequence.
    pub kv_len: Reg,
    /// `kv_len - q_len`: position of the first query.
    pub q_offset: Reg,
    /// First KV head.
    pub kv_head: Reg,
    /// Rows of the sequence: queries times packed heads.
    pub rows: Reg,
    /// First row of the tile.
    pub row0: Reg,
    /// Token of this lane's row (`warp_row + lane % rows_per_warp`), the last row's for rows past the end.
    pub lane_token: Reg,
    /// Query head of this lane's row.
    pub lane_head: Reg,
}

impl Kernel<'_> {
    pub(super) fn instance(&mut self) -> Instance {
        let attention = self.attention;
        let rows_per_warp = self.schedule.rows_per_warp();
        let group = self.param(Meaning::Group);
        let packed = self.param(Meaning::PackedHeads);

        self.b.stage("which sequence, heads and rows this block owns");
        let b = &mut self.b;
        let thread = b.special("thread", Special::Tid, Some(Axis::X));
        let lane = b.and(Type::B32, "lane", &thread, 31);
        let warp = b.shr(Type::U32, "warp", &thread, 5);
        let warp_row = b.mul_lo(Type::U32, "warp_row", &warp, rows_per_warp);
        let quad = b.and(Type::B32, "r", &lane, 3);
        let lane_col = b.shl(Type::B32, "lane_col", &quad, 1);
        let head_block = b.special("head_block", Special::Ctaid, Some(Axis::Y));
        let sequence = b.special("sequence", Special::Ctaid, Some(Axis::Z));

        let (q_begin, q_len) = self.extent(Meaning::Starts(attention.q), &sequence, "q");
        let (kv_begin, kv_len) = match attention.table {
            None => {
                let (begin, len) = self.extent(Meaning::Starts(attention.k), &sequence, "kv");
                (Some(begin), len)
            }
            Some(table) => {
                let lens = self.param(Meaning::SeqLens(table));
                let at = self.b.mad_wide("rd", &sequence, 4, &lens);
                (None, self.b.ld_constant(Type::U32, "kv_len", &at, 0))
            }
        };
        // Row tiles further down see more columns under a causal mask: start with the longest.
        let x = self.b.special("r", Special::Ctaid, Some(Axis::X));
        let last = self.b.special("r", Special::Nctaid, Some(Axis::X));
        let last = self.b.sub(Type::U32, "r", &last, 1);
        let tile = self.b.sub(Type::U32, "row_tile", &last, &x);
        let row0 = self.b.mul_lo(Type::U32, "row0", &tile, self.schedule.rows);
        let rows = self.b.mul_lo(Type::U32, "rows", &q_len, &packed);
        let past = self.b.setp(Word::Ge, Type::U32, "p", &row0, &rows);
        self.b.guarded(&past, false, |b| b.ret());

        let b = &mut self.b;
        let q_offset = b.sub(Type::S32, "q_offset", &kv_len, &q_len);
        let head0 = b.mul_lo(Type::U32, "head0", &head_block, &packed);
        let kv_head = b.div(Type::U32, "kv_head", &head0, &group);

        b.comment("this lane's row: its token and head");
        let in_warp = b.and(Type::B32, "r", &lane, rows_per_warp - 1);
        let row = b.add(Type::U32, "r", &warp_row, &in_warp);
        let row = b.add(Type::U32, "r", &row, &row0);
        let last_row = b.sub(Type::U32, "r", &rows, 1);
        let row = b.min(Type::U32, "r", &row, &last_row);
        let lane_token = b.div(Type::U32, "lane_token", &row, &packed);
        let whole = b.mul_lo(Type::U32, "r", &lane_token, &packed);
        let head = b.sub(Type::U32, "r", &row, &whole);
        let lane_head = b.add(Type::U32, "lane_head", &head, &head0);
        Instance {
            lane,
            thread,
            warp_row,
            lane_col,
            sequence,
            q_begin,
            kv_begin,
            kv_len,
            q_offset,
            kv_head,
            rows,
            row0,
            lane_token,
            lane_head,
        }
    }

    /// Begin and length of a sequence from an array of starts.
    fn extent(&mut self, starts: Meaning, sequence: &Reg, name: &str) -> (Reg, Reg) {
        let starts = self.param(starts);
        let at = self.b.mad_wide("rd", sequence, 4, &starts);
        let begin = self.b.ld_constant(Type::U32, format!("{name}_begin").as_str(), &at, 0);
        let end = self.b.ld_constant(Type::U32, "r", &at, 4);
        let len = self.b.sub(Type::U32, format!("{name}_len").as_str(), &end, &begin);
        (begin, len)
    }

    /// `register` as held by the lane that worked out row `in_warp + lane / lanes_per_row` of the warp.
    pub(super) fn of_row(&mut self, group: &str, register: &Reg, source_lane: &Reg) -> Reg {
        self.b.shfl(Word::Idx, Type::U32, group, register, source_lane)
    }

    /// The 64-bit address of a (token, head) row of a [tokens, heads, D] tensor.
    pub(super) fn row_address(
        &mut self,
        base: &Reg,
        strides: (Meaning, Meaning),
        token: &Reg,
        head: &Reg,
    ) -> Reg {
        let (token_stride, head_stride) = (self.param(strides.0), self.param(strides.1));
        let at = self.b.mad_wide("rd", token, &token_stride, base);
        self.b.mad_wide("rd", head, &head_stride, &at)
    }

    /// `ld.shared.v4`, `st.global.v4` and the like: 16 bytes.
    pub(super) fn move_chunk(&mut self, op: Opcode, space: Space, regs: [&Reg; 4], at: &Reg, offset: i64) {
        use flashpage_ptx::builder::{address, space as in_space, ty, word};
        let mods = [in_space(space), word(Word::V4), ty(Type::B32)];
        let (data, at) = (vector(&regs), address(at, offset));
        let operands = if op == Opcode::Ld { vec![data, at] } else { vec![at, data] };
        self.b.emit(op, &mods, operands);
    }
}
