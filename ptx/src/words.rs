//! The vocabulary of PTX: opcodes, modifiers, scalar types, state spaces and special registers, each a
//! closed enum with its spelling. A word that is not here is a parse error, so adding an instruction to the
//! project starts by adding its words.

use std::fmt;

/// Declares an enum whose variants are PTX words, with `as_str`, `from_word` and `Display`.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($variant:ident = $text:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[allow(missing_docs)] // each variant is documented by its spelling
        pub enum $name { $($variant,)* }

        impl $name {
            /// The word as PTX spells it, without a leading dot.
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }

            /// The variant spelled `word`, if there is one.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($text => Some($name::$variant),)* _ => None }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// The first word of an instruction (PTX ISA §9.7).
    Opcode {
        Abs = "abs", Activemask = "activemask", Add = "add", Addc = "addc", And = "and",
        Applypriority = "applypriority", Atom = "atom", Bar = "bar", Barrier = "barrier", Bfe = "bfe",
        Bfi = "bfi", Bfind = "bfind", Bmsk = "bmsk", Bra = "bra", Brev = "brev", Brkpt = "brkpt",
        Brx = "brx", Call = "call", Clz = "clz", Cnot = "cnot", Copysign = "copysign", Cos = "cos",
        Cp = "cp", Createpolicy = "createpolicy", Cvt = "cvt", Cvta = "cvta", Discard = "discard",
        Div = "div", Dp2a = "dp2a", Dp4a = "dp4a", Elect = "elect", Ex2 = "ex2", Exit = "exit",
        Fence = "fence", Fma = "fma", Fns = "fns", Getctarank = "getctarank",
        Griddepcontrol = "griddepcontrol", Isspacep = "isspacep", Ld = "ld", Ldmatrix = "ldmatrix",
        Ldu = "ldu", Lg2 = "lg2", Lop3 = "lop3", Mad = "mad", Mad24 = "mad24", Madc = "madc",
        Mapa = "mapa", Match = "match", Max = "max", Mbarrier = "mbarrier", Membar = "membar",
        Min = "min", Mma = "mma", Mov = "mov", Movmatrix = "movmatrix", Mul = "mul", Mul24 = "mul24",
        Multimem = "multimem", Nanosleep = "nanosleep", Neg = "neg", Not = "not", Or = "or",
        Pmevent = "pmevent", Popc = "popc", Prefetch = "prefetch", Prefetchu = "prefetchu",
        Prmt = "prmt", Rcp = "rcp", Red = "red", Redux = "redux", Rem = "rem", Ret = "ret",
        Rsqrt = "rsqrt", Sad = "sad", Selp = "selp", Set = "set", Setmaxnreg = "setmaxnreg",
        Setp = "setp", Shf = "shf", Shfl = "shfl", Shl = "shl", Shr = "shr", Sin = "sin",
        Slct = "slct", Sqrt = "sqrt", St = "st", Stackrestore = "stackrestore",
        Stacksave = "stacksave", Alloca = "alloca", Stmatrix = "stmatrix", Sub = "sub", Subc = "subc", Szext = "szext",
        Tanh = "tanh", Tensormap = "tensormap", Testp = "testp", Trap = "trap",
        Vabsdiff = "vabsdiff", Vabsdiff2 = "vabsdiff2", Vabsdiff4 = "vabsdiff4", Vadd = "vadd", Vadd2 = "vadd2",
        Vadd4 = "vadd4", Vavrg2 = "vavrg2", Vavrg4 = "vavrg4", Vmad = "vmad", Vmax = "vmax", Vmax2 = "vmax2",
        Vmax4 = "vmax4", Vmin = "vmin", Vmin2 = "vmin2", Vmin4 = "vmin4", Vset = "vset", Vset2 = "vset2",
        Vset4 = "vset4", Vshl = "vshl", Vshr = "vshr", Vsub = "vsub", Vsub2 = "vsub2", Vsub4 = "vsub4", Vote = "vote",
        Wgmma = "wgmma", Wmma = "wmma", Xor = "xor",
    }
}

words! {
    /// Scalar and packed operand types (PTX ISA §5.2).
    Type {
        U8 = "u8", U16 = "u16", U32 = "u32", U64 = "u64", S8 = "s8", S16 = "s16", S32 = "s32",
        S64 = "s64", B1 = "b1", B8 = "b8", B16 = "b16", B32 = "b32", B64 = "b64", B128 = "b128",
        U2 = "u2", S2 = "s2", U4 = "u4", S4 = "s4", F16 = "f16", F16x2 = "f16x2", Bf16 = "bf16", Bf16x2 = "bf16x2", F32 = "f32", F32x2 = "f32x2",
        F64 = "f64", Tf32 = "tf32", E4m3 = "e4m3", E5m2 = "e5m2", E4m3x2 = "e4m3x2",
        E5m2x2 = "e5m2x2", U16x2 = "u16x2", S16x2 = "s16x2", Pred = "pred",
    }
}

words! {
    /// State spaces (PTX ISA §5.1). `param::entry` and `param::func` are written as they stand.
    Space {
        Reg = "reg", Sreg = "sreg", Const = "const", Global = "global", Local = "local",
        Param = "param", ParamEntry = "param::entry", ParamFunc = "param::func", Shared = "shared",
        SharedCta = "shared::cta", SharedCluster = "shared::cluster", Tex = "tex",
    }
}

words! {
    /// Every other modifier that may follow an opcode after a dot.
    Word {
        // rounding, saturation, denormals, multiplication halves
        Rn = "rn", Rz = "rz", Rm = "rm", Rp = "rp", Rna = "rna", Rni = "rni", Rzi = "rzi", Rmi = "rmi",
        Rpi = "rpi", Rs = "rs", Sat = "sat", Satfinite = "satfinite", Ftz = "ftz", Approx = "approx", Full = "full",
        Nan = "NaN", Xorsign = "xorsign", AbsWord = "abs", Relu = "relu", Oob = "oob", Lo = "lo", Hi = "hi", Wide = "wide", Cc = "cc",
        // comparisons and boolean combinations
        Eq = "eq", Ne = "ne", Lt = "lt", Le = "le", Gt = "gt", Ge = "ge", Ls = "ls", Hs = "hs",
        IsNan = "nan", Equ = "equ", Neu = "neu", Ltu = "ltu", Leu = "leu", Gtu = "gtu", Geu = "geu", Num = "num",
        And = "and", Or = "or", Xor = "xor", Popc = "popc",
        // floating-point classes of testp
        Finite = "finite", Infinite = "infinite", Number = "number", Notanumber = "notanumber", Normal = "normal",
        Subnormal = "subnormal",
        // control flow, calls
        Uni = "uni", Idx = "idx", Mask = "mask",
        // atomics and reductions
        Add = "add", Min = "min", Max = "max", Inc = "inc", Dec = "dec", Exch = "exch", Cas = "cas", Noftz = "noftz",
        // vectors and matrices
        V2 = "v2", V4 = "v4", V8 = "v8", X1 = "x1", X2 = "x2", X4 = "x4", Trans = "trans", M8n8 = "m8n8", M16n16 = "m16n16", M16n8 = "m16n8", B8x16 = "b8x16",
        Row = "row", Col = "col", Sp = "sp", OrderedMetadata = "ordered_metadata",
        // memory order, scope, caches
        Weak = "weak", Relaxed = "relaxed", Acquire = "acquire", Release = "release", AcqRel = "acq_rel", Sc = "sc",
        Volatile = "volatile", Mmio = "mmio", Cta = "cta", Cluster = "cluster", Gpu = "gpu", Sys = "sys", Gl = "gl",
        Ca = "ca", Cg = "cg", Cs = "cs", Lu = "lu", Cv = "cv", Wb = "wb", Wt = "wt", Nc = "nc", Unified = "unified",
        L1EvictNormal = "L1::evict_normal", L1EvictUnchanged = "L1::evict_unchanged", L1EvictFirst = "L1::evict_first",
        L1EvictLast = "L1::evict_last", L1NoAllocate = "L1::no_allocate", L2EvictFirst = "L2::evict_first",
        L2EvictLast = "L2::evict_last", L2EvictNormal = "L2::evict_normal", L2EvictUnchanged = "L2::evict_unchanged", L2CacheHint = "L2::cache_hint", L264B = "L2::64B",
        L2128B = "L2::128B", L2256B = "L2::256B", L1 = "L1", L2 = "L2", Fractional = "fractional", Range = "range", Cvt = "cvt",
        // asynchronous copies, barriers, proxies
        Async = "async", Bulk = "bulk", Tensor = "tensor", D1 = "1d", D2 = "2d", D3 = "3d", D4 = "4d", D5 = "5d",
        Tile = "tile", Im2col = "im2col", TileGather4 = "tile::gather4", TileScatter4 = "tile::scatter4",
        MbarrierCompleteTxBytes = "mbarrier::complete_tx::bytes", BulkGroup = "bulk_group",
        MulticastCluster = "multicast::cluster", CommitGroup = "commit_group", WaitGroup = "wait_group", WaitAll = "wait_all",
        Read = "read", Reduce = "reduce", Prefetch = "prefetch", Mbarrier = "mbarrier", Init = "init", Inval = "inval", Arrive = "arrive",
        ArriveDrop = "arrive_drop", ExpectTx = "expect_tx", CompleteTx = "complete_tx", TestWait = "test_wait",
        TryWait = "try_wait", Parity = "parity", PendingCount = "pending_count", NoComplete = "noComplete", Noinc = "noinc",
        Proxy = "proxy", Alias = "alias", AsyncGlobal = "async.global", ProxyAsync = "proxy::async",
        MbarrierInit = "mbarrier_init", Generic = "generic", Tensormap = "tensormap",
        SyncRestrictSharedCta = "sync_restrict::shared::cta", SyncRestrictSharedCluster = "sync_restrict::shared::cluster",
        AsyncShared = "async::shared",
        // warps and barriers
        Sync = "sync", Aligned = "aligned", Bfly = "bfly", Up = "up", Down = "down", Any = "any", All = "all",
        Ballot = "ballot", Wait = "wait", Red = "red", Warp = "warp", Clamp = "clamp", Wrap = "wrap", Shiftamt = "shiftamt",
        LaunchDependents = "launch_dependents",
        // prmt modes
        F4e = "f4e", B4e = "b4e", Rc8 = "rc8", Ecl = "ecl", Ecr = "ecr", Rc16 = "rc16",
        // video instructions
        Po = "po", Shr7 = "shr7", Shr15 = "shr15",
        // warpgroup matrix products
        MmaAsync = "mma_async", Mma = "mma", Fence = "fence", Commit = "commit",
        // conversions between spaces, misc
        To = "to", Replace = "replace", GlobalAddress = "global_address", Load = "load", Store = "store", A = "a", B = "b", C = "c", D = "d",
        Rank = "rank", BoxDim = "box_dim", GlobalDim = "global_dim", GlobalStride = "global_stride",
        ElementStride = "element_stride", Elemtype = "elemtype", InterleaveLayout = "interleave_layout",
        SwizzleMode = "swizzle_mode", FillMode = "fill_mode", B1024 = "b1024",
        Pack = "pack", L = "l", R = "r", V16 = "v16", Im2colW = "im2col::w", ImmOffs = "im2col_no_offs",
        LdReduce = "ld_reduce", St = "st", SpOrderedMetadata = "sp::ordered_metadata",
        AsyncGeneric = "async::generic", TensormapGeneric = "tensormap::generic", GenericTensormap = "generic::tensormap",
        MbarrierArriveOne = "mbarrier::arrive::one",
        CpFenceprox = "cp_fenceproxy", CpMask = "cp_mask", IgnoreOob = "ignore_oob",
    }
}

words! {
    /// Read-only registers (PTX ISA §10), without the leading `%`; three-component ones carry an [`crate::ast::Axis`].
    Special {
        Tid = "tid", Ntid = "ntid", Ctaid = "ctaid", Nctaid = "nctaid", Clusterid = "clusterid",
        Nclusterid = "nclusterid", ClusterCtaid = "cluster_ctaid", ClusterNctaid = "cluster_nctaid",
        ClusterCtarank = "cluster_ctarank", ClusterNctarank = "cluster_nctarank",
        IsExplicitCluster = "is_explicit_cluster", Laneid = "laneid", Warpid = "warpid", Nwarpid = "nwarpid",
        Smid = "smid", Nsmid = "nsmid", Gridid = "gridid", LanemaskEq = "lanemask_eq", LanemaskLe = "lanemask_le",
        LanemaskLt = "lanemask_lt", LanemaskGe = "lanemask_ge", LanemaskGt = "lanemask_gt", Clock = "clock",
        ClockHi = "clock_hi", Clock64 = "clock64", Globaltimer = "globaltimer", GlobaltimerLo = "globaltimer_lo",
        GlobaltimerHi = "globaltimer_hi", DynamicSmemSize = "dynamic_smem_size", TotalSmemSize = "total_smem_size",
        AggrSmemSize = "aggr_smem_size", CurrentGraphExec = "current_graph_exec",
    }
}

impl Type {
    /// Size in bits; a predicate counts as one bit.
    pub const fn bits(self) -> u32 {
        use Type::*;
        match self {
            Pred | B1 => 1,
            U2 | S2 => 2,
            U4 | S4 => 4,
            U8 | S8 | B8 | E4m3 | E5m2 => 8,
            U16 | S16 | B16 | F16 | Bf16 | E4m3x2 | E5m2x2 => 16,
            U32 | S32 | B32 | F16x2 | Bf16x2 | F32 | Tf32 | U16x2 | S16x2 => 32,
            U64 | S64 | B64 | F64 | F32x2 => 64,
            B128 => 128,
        }
    }

    /// Size in bytes, at least one.
    pub const fn bytes(self) -> u32 {
        self.bits().div_ceil(8)
    }

    /// Two's-complement signed integer.
    pub const fn is_signed(self) -> bool {
        matches!(self, Type::S2 | Type::S4 | Type::S8 | Type::S16 | Type::S32 | Type::S64 | Type::S16x2)
    }

    /// Floating-point of any format.
    pub const fn is_float(self) -> bool {
        use Type::*;
        matches!(self, F16 | F16x2 | Bf16 | Bf16x2 | F32 | F32x2 | F64 | Tf32 | E4m3 | E5m2 | E4m3x2 | E5m2x2)
    }
}
