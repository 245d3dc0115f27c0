// CUB's block collectives: sort by key, scan, reduce, exchange.
#include <cub/block/block_exchange.cuh>
#include <cub/block/block_radix_sort.cuh>
#include <cub/block/block_reduce.cuh>
#include <cub/block/block_scan.cuh>

extern "C" __global__ void __launch_bounds__(64) collectives(const int *x, int *sorted, int *from, int *scan, int *total) {
    using Sort = cub::BlockRadixSort<int, 64, 4, int>;
    using Scan = cub::BlockScan<int, 64>;
    using Reduce = cub::BlockReduce<int, 64>;
    __shared__ union {
        Sort::TempStorage sort;
        Scan::TempStorage scan;
        Reduce::TempStorage reduce;
    } shared;
    int keys[4], values[4];
    for (int i = 0; i < 4; i++) {
        keys[i] = x[threadIdx.x * 4 + i];
        values[i] = threadIdx.x * 4 + i;
    }
    int sums[4];
    Scan(shared.scan).ExclusiveSum(keys, sums);
    __syncthreads();
    int sum = Reduce(shared.reduce).Sum(keys);
    __syncthreads();
    Sort(shared.sort).Sort(keys, values);
    for (int i = 0; i < 4; i++) {
        sorted[threadIdx.x * 4 + i] = keys[i];
        from[threadIdx.x * 4 + i] = values[i];
        scan[threadIdx.x * 4 + i] = sums[i];
    }
    if (threadIdx.x == 0) *total = sum;
}
