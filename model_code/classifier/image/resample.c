/* The two passes of Pillow's resize (Image.resize of an RGB image), with AVX2: the same integers.

   Pillow keeps a pixel in four bytes, of which the last is not used. Weights are integers, the real
   ones times 2^22; a sum is rounded, and clipped to a byte. */

#include <cpuid.h>
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define AVX2 __attribute__((target("avx2")))

enum { FRACTION_BITS = 22, PIXEL_BYTES = 4 };

/* Whether the processor has AVX2 and the system keeps its registers: Intel's manual, volume 1,
   14.7.1. Not __builtin_cpu_supports, which is always false where Zig compiles. */
int whippet_can_resize(void) {
    unsigned int eax, ebx, ecx, edx, kept;
    if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || !(ecx & bit_OSXSAVE)) return 0;
    __asm__("xgetbv" : "=a"(kept), "=d"(edx) : "c"(0));
    if ((kept & 6) != 6 || !__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) return 0;
    return (ebx & bit_AVX2) != 0;
}

AVX2 static inline __m128i load_pixel(const uint8_t *from) {
    int32_t bytes;
    memcpy(&bytes, from, PIXEL_BYTES);
    return _mm_cvtepu8_epi32(_mm_cvtsi32_si128(bytes));
}

AVX2 static inline __m256i load_two_pixels(const uint8_t *from) {
    return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)from));
}

/* A memcpy of a length that is no constant would be a call, which takes longer than the sum. */
AVX2 static inline void store_pixel(__m128i sum, uint8_t *to, int bytes) {
    const __m128i shifted = _mm_srai_epi32(sum, FRACTION_BITS);
    const __m128i clipped = _mm_packus_epi16(_mm_packs_epi32(shifted, shifted), shifted);
    const int32_t pixel = _mm_cvtsi128_si32(clipped);
    if (bytes == PIXEL_BYTES) memcpy(to, &pixel, PIXEL_BYTES);
    else memcpy(to, &pixel, PIXEL_BYTES - 1);
}

AVX2 static inline __m128i sum_of_halves(__m256i sums) {
    return _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
}

/* Resize rows. Pixel x of the result is the sum of `taps` pixels from starts[x] on, weighted by
   weights[x], which has each weight four times. `bytes` of the result's pixels are written: 3 or 4. */
AVX2 void whippet_resize_across(const uint8_t *source, ptrdiff_t stride, int rows,
                                const int32_t *starts, const int32_t *weights, int taps,
                                int columns, uint8_t *target, int bytes) {
    const __m256i half = _mm256_zextsi128_si256(_mm_set1_epi32(1 << (FRACTION_BITS - 1)));
    const ptrdiff_t target_stride = (ptrdiff_t)columns * bytes;
    /* Two rows at a time, which share the weights; the last of an odd number is done twice. */
    for (int y = 0; y < rows; y += 2) {
        const ptrdiff_t next = y + 1 < rows;
        const uint8_t *row = source + y * stride;
        const uint8_t *next_row = row + next * stride;
        uint8_t *to = target + y * target_stride;
        uint8_t *next_to = to + next * target_stride;
        const int32_t *weight = weights;
        for (int x = 0; x < columns; x++) {
            const uint8_t *from = row + (ptrdiff_t)starts[x] * PIXEL_BYTES;
            const uint8_t *next_from = next_row + (ptrdiff_t)starts[x] * PIXEL_BYTES;
            __m256i pair = half, next_pair = half;
            for (int tap = 0; tap + 1 < taps; tap += 2) {
                const __m256i factors = _mm256_loadu_si256((const __m256i *)weight);
                const __m256i product = _mm256_mullo_epi32(factors, load_two_pixels(from));
                const __m256i next_product = _mm256_mullo_epi32(factors, load_two_pixels(next_from));
                pair = _mm256_add_epi32(pair, product);
                next_pair = _mm256_add_epi32(next_pair, next_product);
                from += 2 * PIXEL_BYTES;
                next_from += 2 * PIXEL_BYTES;
                weight += 8;
            }
            __m128i sum = sum_of_halves(pair), next_sum = sum_of_halves(next_pair);
            if (taps % 2) {
                const __m128i factors = _mm_loadu_si128((const __m128i *)weight);
                sum = _mm_add_epi32(sum, _mm_mullo_epi32(factors, load_pixel(from)));
                next_sum = _mm_add_epi32(next_sum, _mm_mullo_epi32(factors, load_pixel(next_from)));
                weight += 4;
            }
            store_pixel(sum, to + (ptrdiff_t)x * bytes, bytes);
            store_pixel(next_sum, next_to + (ptrdiff_t)x * bytes, bytes);
        }
    }
}

/* Resize columns. Row y of the result is the sum of `taps` rows from starts[y] on, weighted by
   weights[y], which has each weight once. */
AVX2 void whippet_resize_down(const uint8_t *source, ptrdiff_t stride, int columns,
                              const int32_t *starts, const int32_t *weights, int taps, int rows,
                              uint8_t *target, int bytes) {
    const __m256i half = _mm256_set1_epi32(1 << (FRACTION_BITS - 1));
    for (int y = 0; y < rows; y++) {
        const uint8_t *first = source + starts[y] * stride;
        const int32_t *weight = weights + (ptrdiff_t)y * taps;
        uint8_t *to = target + (ptrdiff_t)y * columns * bytes;
        int x = 0;
        for (; x + 4 <= columns; x += 4) {
            const uint8_t *from = first + (ptrdiff_t)x * PIXEL_BYTES;
            __m256i left = half, right = half;
            for (int tap = 0; tap < taps; tap++) {
                const __m256i factor = _mm256_set1_epi32(weight[tap]);
                const __m256i product = _mm256_mullo_epi32(factor, load_two_pixels(from));
                const __m256i right_product =
                    _mm256_mullo_epi32(factor, load_two_pixels(from + 2 * PIXEL_BYTES));
                left = _mm256_add_epi32(left, product);
                right = _mm256_add_epi32(right, right_product);
                from += stride;
            }
            const __m128i sums[] = {
                _mm256_castsi256_si128(left), _mm256_extracti128_si256(left, 1),
                _mm256_castsi256_si128(right), _mm256_extracti128_si256(right, 1)};
            for (int pixel = 0; pixel < 4; pixel++)
                store_pixel(sums[pixel], to + (ptrdiff_t)(x + pixel) * bytes, bytes);
        }
        for (; x < columns; x++) {
            __m128i sum = _mm256_castsi256_si128(half);
            for (int tap = 0; tap < taps; tap++) {
                const uint8_t *from = first + tap * stride + (ptrdiff_t)x * PIXEL_BYTES;
                sum = _mm_add_epi32(
                    sum, _mm_mullo_epi32(_mm_set1_epi32(weight[tap]), load_pixel(from)));
            }
            store_pixel(sum, to + (ptrdiff_t)x * bytes, bytes);
        }
    }
}
