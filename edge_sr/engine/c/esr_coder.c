/*
 * A bit is foretold from samples nearby, of which the more significant planes are known, and this
 * one too where it has been coded already. A linear predictor that learns (normalized least mean
 * squares) says where the sample lies above or below the value that parts a 0 from a 1; what it
 * says, and how lively the surroundings are, choose one of 192 adaptive contexts.
 *
 * All but the bit to the left is known of a whole row before it is coded. So a row goes in blocks:
 * what is foretold of a block's samples, for both bits to the left, then its bits, then what they
 * teach. The first and the last have no order within and are loops that compilers vectorize.
 */
#include "esr_coder.h"

#include "esr_range.h"

#include <string.h>

#ifndef ESR_HOT
#define ESR_HOT
#endif

#define BLOCK ESR_CODER_BLOCK
#define EDGE ESR_CODER_EDGE

/* Differences from the sample whose bit comes next: neighbours in the channel, of which N, NW, NE and
 * W have been coded in this plane, and how the channel before bends in both directions. */
enum { W, N, NW, NE, E, S, SW, ACROSS, DOWN };

/* Weights learn in 2^-16 and are used in 2^-7, as is what they foretell, in half steps: two of them
 * are what the bit is worth. */
#define ONE 65536
#define WEIGHT_MAX (2 * ONE)
#define USED_SHIFT 9
#define HALF_STEP 128

/* The higher, the slower do weights learn. */
#define LEARN_SHIFT 6

/* Classes of what is foretold on each side of 0; they part at eighths of a half step. */
#define SIDES 12
#define EIGHTH_SHIFT 4
#define SIDE_MAX 80

#define LIVELY_MAX 255

static const int32_t first_weights[ESR_CODER_TAPS] = {
    [W] = 24576, [N] = 24576, [NW] = -8192, [E] = 12288, [S] = 12288,
};

/* The class of a value, from -SIDE_MAX on: how many of 1, 3, 5, 7, 10, 14, 20, 28, 40, 56, 80 are
 * reached, counted from the middle to both sides. */
static const uint8_t side_classes[161] = {
    1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2,
    2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4, 5, 5, 5, 5,
    5, 5, 6, 6, 6, 6, 7, 7, 7, 8, 8, 9, 9, 10, 10, 11, 12, 13, 13, 14, 14, 15, 15, 16, 16, 16, 17,
    17, 17, 17, 18, 18, 18, 18, 18, 18, 19, 19, 19, 19, 19, 19, 19, 19, 20, 20, 20, 20, 20, 20, 20,
    20, 20, 20, 20, 20, 21, 21, 21, 21, 21, 21, 21, 21, 21, 21, 21, 21, 21, 21, 21, 21, 22, 22, 22,
    22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 22, 23,
};

/* 2 * SIDES contexts for each class of how lively the surroundings are; the number of a class is how
 * many of 3, 6, 10, 16, 26, 44, 80 are reached. */
static const uint8_t first_contexts[256] = {
    0, 0, 0, 24, 24, 24, 48, 48, 48, 48, 72, 72, 72, 72, 72, 72, 96, 96, 96, 96, 96, 96, 96, 96, 96,
    96, 120, 120, 120, 120, 120, 120, 120, 120, 120, 120, 120, 120, 120, 120, 120, 120, 120, 120,
    144, 144, 144, 144, 144, 144, 144, 144, 144, 144, 144, 144, 144, 144, 144, 144, 144, 144, 144,
    144, 144, 144, 144, 144, 144, 144, 144, 144, 144, 144, 144, 144, 144, 144, 144, 144, 168, 168,
    168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168,
    168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168,
    168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168,
    168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168,
    168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168,
    168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168,
    168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168,
    168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168,
    168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168, 168,
    168, 168, 168,
};

/* By half of that, h: 2^18 / (8 + h^2), which stands in for the energy of the differences. */
static const int16_t energy_gains[128] = {
    32767, 29127, 21845, 15420, 10922, 7943, 5957, 4599, 3640, 2945, 2427, 2032, 1724, 1481, 1285,
    1125, 992, 882, 789, 710, 642, 583, 532, 488, 448, 414, 383, 355, 330, 308, 288, 270, 254, 238,
    225, 212, 201, 190, 180, 171, 163, 155, 147, 141, 134, 128, 123, 118, 113, 108, 104, 100, 96,
    93, 89, 86, 83, 80, 77, 75, 72, 70, 68, 65, 63, 61, 60, 58, 56, 54, 53, 51, 50, 49, 47, 46, 45,
    44, 43, 41, 40, 39, 38, 38, 37, 36, 35, 34, 33, 33, 32, 31, 30, 30, 29, 29, 28, 27, 27, 26, 26,
    25, 25, 24, 24, 23, 23, 22, 22, 22, 21, 21, 20, 20, 20, 19, 19, 19, 18, 18, 18, 17, 17, 17, 17,
    16, 16, 16,
};

/* Where in the samples a block lies. */
typedef struct place {
    const uint8_t *channel; /* its first sample */
    uint32_t y;
    uint32_t x;
    uint32_t count; /* of the block's samples */
    unsigned plane;
    int is_first; /* of the channels */
} place;

static inline int clamp(int value, int limit)
{
    return value > limit ? limit : value < -limit ? -limit : value;
}

static inline int size_of(int value)
{
    return value < 0 ? -value : value;
}

/* Samples without the planes below; `ones` is 1 in each byte where this plane is to come. */
static inline void shift_samples(uint8_t *to, const uint8_t *from, uint32_t count, unsigned plane,
                                 uint32_t ones)
{
    const uint32_t mask = (0xFFu >> plane) * 0x01010101u;
    uint32_t i = 0;
    uint32_t four;

    for (; i + sizeof four <= count; i += sizeof four) {
        memcpy(&four, from + i, sizeof four);
        four = (four >> plane & mask) | ones;
        memcpy(to + i, &four, sizeof four);
    }
    for (; i < count; i++) {
        to[i] = (uint8_t)(from[i] >> plane | (ones & 1u));
    }
}

/* A row of the block and what is beside it, down rows further down; at the edge of the frame the row
 * or sample that is nearest. */
static inline void fetch(uint8_t *row, const esr_coder_shape *shape, const place *at, int down,
                         uint32_t ones)
{
    const uint32_t y = down < 0   ? at->y - (at->y > 0)
                       : down > 0 ? at->y + (at->y + 1 < shape->height)
                                  : at->y;
    const uint32_t lead = at->x > 0;
    const uint32_t trail = at->x + at->count < shape->width;
    const uint8_t *from = at->channel + (size_t)y * shape->width + at->x;
    uint8_t *to = row + EDGE;

    shift_samples(to, from, at->count + trail, at->plane, ones);
    to[-1] = lead != 0 ? (uint8_t)(from[-1] >> at->plane | (ones & 1u)) : to[0];
    if (trail == 0) {
        to[at->count] = to[at->count - 1];
    }
}

static void fetch_rows(esr_coder_block *block, const esr_coder_shape *shape, const place *at)
{
    const uint32_t ones = 0x01010101u;

    fetch(block->above, shape, at, -1, at->y > 0 ? 0 : ones);
    fetch(block->here, shape, at, 0, ones);
    fetch(block->below, shape, at, 1, ones);
    if (!at->is_first) {
        place before = *at;

        before.channel -= (size_t)shape->height * shape->width;
        for (int i = 0; i < 3; i++) {
            fetch(block->before[i], shape, &before, i - 1, 0);
        }
    }
}

/* How the channel before bends. */
static inline void bend(esr_coder_block *block, uint32_t count)
{
    const uint8_t *above = block->before[0] + EDGE;
    const uint8_t *here = block->before[1] + EDGE;
    const uint8_t *below = block->before[2] + EDGE;

    for (uint32_t i = 0; i < count; i++) {
        block->across[i] = (int16_t)(2 * here[i] - here[(ptrdiff_t)i - 1] - here[i + 1]);
        block->down[i] = (int16_t)(2 * here[i] - above[i] - below[i]);
    }
}

/* How much the surroundings of each sample differ, in half steps. */
static inline void liven(esr_coder_block *block, uint32_t count)
{
    const uint8_t *above = block->above + EDGE;
    const uint8_t *here = block->here + EDGE;
    const uint8_t *below = block->below + EDGE;

    for (uint32_t i = 0; i < count; i++) {
        const int w = 2 * here[(ptrdiff_t)i - 1];
        const int e = 2 * here[i + 1];
        const int n = 2 * above[i] + 1;
        const int s = 2 * below[i];
        const int own = 2 * here[i];
        const int lively = size_of(w - e) + size_of(n - s) +
                           size_of(w - 2 * above[(ptrdiff_t)i - 1] - 1) +
                           size_of(n - 2 * above[i + 1] - 1) + (size_of(w + e - 2 * own) >> 1) +
                           (size_of(n + s - 2 * own) >> 1) + size_of(block->across[i]) +
                           size_of(block->down[i]);

        block->lively[i] = (uint8_t)(lively < LIVELY_MAX ? lively : LIVELY_MAX);
    }
}

static inline uint8_t side_of(int16_t value)
{
    return (uint8_t)(clamp(value >> EIGHTH_SHIFT, SIDE_MAX) + SIDE_MAX);
}

/* Sums wrap around at 16 bits. */
static inline void foretell(esr_coder_block *block, const int32_t *weights, uint32_t count)
{
    const uint8_t *above = block->above + EDGE;
    const uint8_t *here = block->here + EDGE;
    const uint8_t *below = block->below + EDGE;
    int16_t used[ESR_CODER_TAPS];
    int near = 0;

    for (int i = 0; i < ESR_CODER_TAPS; i++) {
        used[i] = (int16_t)((weights[i] + (1 << (USED_SHIFT - 1))) >> USED_SHIFT);
        near += i < ACROSS ? used[i] : 0;
    }
    const int16_t w = used[W], n = used[N], nw = used[NW], ne = used[NE], e = used[E];
    const int16_t s = used[S], sw = used[SW], across = used[ACROSS], down = used[DOWN];
    const int16_t own = (int16_t)near;
    const int16_t rest = (int16_t)(n + nw + ne - w);

    for (uint32_t i = 0; i < count; i++) {
        const int twice = w * here[(ptrdiff_t)i - 1] + e * here[i + 1] +
                          nw * above[(ptrdiff_t)i - 1] + n * above[i] + ne * above[i + 1] +
                          sw * below[(ptrdiff_t)i - 1] + s * below[i] - own * here[i];
        const int value =
            2 * twice + across * block->across[i] + down * block->down[i] + rest;

        block->value[i] = (int16_t)(uint16_t)value;
    }
    for (uint32_t i = 0; i < count; i++) {
        block->sides[0][i] = side_of(block->value[i]);
        block->sides[1][i] = side_of((int16_t)(uint16_t)(block->value[i] + 2 * w));
    }
}

ESR_HOT static void prepare(esr_coder_block *block, const int32_t *weights, uint32_t count,
                            int is_first)
{
    if (is_first) {
        memset(block->across, 0, sizeof block->across);
        memset(block->down, 0, sizeof block->down);
    } else {
        bend(block, count);
    }
    liven(block, count);
    foretell(block, weights, count);
}

/* How far what was foretold is off the bit's side of 0, up to a half step, by how much a difference
 * weighs; of the latter the table is in `pull`. */
static inline void blame(esr_coder_block *block, int32_t weight, uint32_t count)
{
    const int16_t twice = (int16_t)(2 * ((weight + (1 << (USED_SHIFT - 1))) >> USED_SHIFT));

    for (uint32_t i = 0; i < count; i++) {
        const int16_t value = (int16_t)(uint16_t)(block->value[i] + twice * block->bits[i]);
        const int16_t sign = (int16_t)(2 * block->bits[i + 1] - 1);
        const int16_t near = (int16_t)clamp(value, HALF_STEP);
        const int16_t right = (int16_t)(near * sign);
        const int16_t wrong = (int16_t)(HALF_STEP - (right > 0 ? right : 0));
        const int16_t error = (int16_t)(wrong * sign * 64);

        block->pull[i] = (int16_t)((error * block->pull[i] + (1 << 14)) >> 15);
    }
}

static inline int32_t learned(int32_t weight, int32_t pull)
{
    return clamp(weight + ((pull + (1 << (LEARN_SHIFT - 1))) >> LEARN_SHIFT), WEIGHT_MAX);
}

/* What a row's samples pull that lie left of the block's, above or below or at them, and right. */
typedef struct pulls {
    int32_t left;
    int32_t middle;
    int32_t right;
} pulls;

static inline pulls pull_row(const int16_t *pull, const uint8_t *row, uint32_t count)
{
    int32_t left = 0;
    int32_t middle = 0;
    int32_t right = 0;

    for (uint32_t i = 0; i < count; i++) {
        left += pull[i] * (int16_t)row[(ptrdiff_t)i - 1];
        middle += pull[i] * (int16_t)row[i];
        right += pull[i] * (int16_t)row[i + 1];
    }
    const pulls sums = {left, middle, right};

    return sums;
}

static inline int32_t pull_bits(const int16_t *pull, const uint8_t *bits, uint32_t count)
{
    int32_t sum = 0;

    for (uint32_t i = 0; i < count; i++) {
        sum += pull[i] * (int16_t)bits[i];
    }
    return sum;
}

static inline int32_t pull_bend(const int16_t *pull, const int16_t *row, uint32_t count)
{
    int32_t sum = 0;

    for (uint32_t i = 0; i < count; i++) {
        sum += pull[i] * row[i];
    }
    return sum;
}

/* The weights move toward what would have foretold the block's bits. */
ESR_HOT static void learn(esr_coder_block *block, int32_t *weights, uint32_t count, int is_first)
{
    const int16_t *pull = block->pull;
    int32_t all = 0;

    blame(block, weights[W], count);
    for (uint32_t i = 0; i < count; i++) {
        all += pull[i];
    }
    const pulls above = pull_row(pull, block->above + EDGE, count);
    const pulls here = pull_row(pull, block->here + EDGE, count);
    const pulls below = pull_row(pull, block->below + EDGE, count);
    const int32_t bits = pull_bits(pull, block->bits, count);
    const int32_t own = 2 * here.middle;
    const int32_t coded = own - all;

    weights[W] = learned(weights[W], 2 * (here.left + bits) - own - all);
    weights[N] = learned(weights[N], 2 * above.middle - coded);
    weights[NW] = learned(weights[NW], 2 * above.left - coded);
    weights[NE] = learned(weights[NE], 2 * above.right - coded);
    weights[E] = learned(weights[E], 2 * here.right - own);
    weights[S] = learned(weights[S], 2 * below.middle - own);
    weights[SW] = learned(weights[SW], 2 * below.left - own);
    if (!is_first) {
        weights[ACROSS] = learned(weights[ACROSS], pull_bend(pull, block->across, count));
        weights[DOWN] = learned(weights[DOWN], pull_bend(pull, block->down, count));
    }
}

/* Which context the sample has. The masks are all ones or 0. */
static inline esr_context *choose(esr_coder *coder, uint32_t i, uint32_t left)
{
    esr_coder_block *block = &coder->block;
    const uint32_t lively = block->lively[i];
    const uint32_t none = side_classes[block->sides[0][i]];
    const uint32_t one = side_classes[block->sides[1][i]];

    block->pull[i] = energy_gains[lively >> 1];
    return &coder->contexts[first_contexts[lively] + (none ^ ((none ^ one) & left))];
}

static void encode_bits(esr_coder *coder, const uint8_t *row, uint32_t count)
{
    esr_range *range = &coder->range;
    esr_interval in = esr_range_borrow(range);
    uint8_t *bits = coder->block.bits;
    uint32_t mask = 0u - bits[0];

    for (uint32_t i = 0; i < count; i++) {
        esr_context *context = choose(coder, i, mask);

        mask = 0u - (row[i] >> coder->left & 1u);
        esr_range_encode(range, &in, context, mask);
        bits[i + 1] = mask & 1u;
    }
    esr_range_return(range, &in);
}

static void decode_bits(esr_coder *coder, uint8_t *row, uint32_t count)
{
    const uint32_t one = (uint32_t)1 << coder->left;
    esr_range *range = &coder->range;
    esr_interval in = esr_range_borrow(range);
    uint8_t *bits = coder->block.bits;
    uint32_t mask = 0u - bits[0];

    for (uint32_t i = 0; i < count; i++) {
        mask = esr_range_decode(range, &in, choose(coder, i, mask));
        bits[i + 1] = mask & 1u;
        row[i] = (uint8_t)(row[i] | (mask & one));
    }
    esr_range_return(range, &in);
}

/* A row in blocks; `out` is null when it is encoded. */
static void code_row(esr_coder *coder, place *at, int32_t *weights, uint8_t *out)
{
    const esr_coder_shape *shape = &coder->shape;
    esr_coder_block *block = &coder->block;
    const size_t row = (size_t)at->y * shape->width;

    block->bits[0] = 0;
    for (at->x = 0; at->x < shape->width; at->x += BLOCK) {
        const uint32_t left = shape->width - at->x;

        at->count = left < BLOCK ? left : BLOCK;
        fetch_rows(block, shape, at);
        prepare(block, weights, at->count, at->is_first);
        if (out == NULL) {
            encode_bits(coder, at->channel + row + at->x, at->count);
        } else {
            decode_bits(coder, out + row + at->x, at->count);
        }
        learn(block, weights, at->count, at->is_first);
        block->bits[0] = block->bits[at->count];
    }
}

/* All rows of all channels. */
static void code_rows(esr_coder *coder, const uint8_t *samples, uint8_t *out)
{
    const esr_coder_shape *shape = &coder->shape;
    const size_t size = (size_t)shape->height * shape->width;

    for (uint32_t i = 0; i < shape->channels; i++) {
        place at = {samples + i * size, 0, 0, 0, coder->left, i == 0};

        for (; at.y < shape->height && coder->range.stopped == 0; at.y++) {
            code_row(coder, &at, coder->weights[i], out == NULL ? NULL : out + i * size);
        }
    }
}

static int is_side(uint32_t size)
{
    return size >= 1 && size <= ESR_CODER_SIDE;
}

esr_coder_status esr_coder_begin(esr_coder *coder, const esr_coder_shape *shape)
{
    if (coder == NULL || shape == NULL) {
        return ESR_CODER_NULL;
    }
    coder->left = 0;
    if (!is_side(shape->width) || !is_side(shape->height) || shape->channels < 1 ||
        shape->channels > ESR_CODER_CHANNELS ||
        shape->width > PTRDIFF_MAX / ESR_CODER_CHANNELS / shape->height) {
        return ESR_CODER_SHAPE;
    }
    coder->shape = *shape;
    coder->left = ESR_CODER_PLANES;
    for (int i = 0; i < ESR_CODER_CHANNELS; i++) {
        memcpy(coder->weights[i], first_weights, sizeof first_weights);
    }
    for (int i = 0; i < ESR_CODER_CONTEXTS; i++) {
        esr_context_reset(&coder->contexts[i]);
    }
    return ESR_CODER_OK;
}

esr_coder_status esr_encode_plane(esr_coder *coder, const uint8_t *samples, esr_put put,
                                  void *user)
{
    if (coder == NULL || samples == NULL || put == NULL) {
        return ESR_CODER_NULL;
    }
    if (coder->left == 0) {
        return ESR_CODER_ENDED;
    }
    coder->left--;
    esr_range_start(&coder->range, user);
    coder->range.put = put;
    code_rows(coder, samples, NULL);
    esr_range_finish(&coder->range);
    if (coder->range.stopped != 0) {
        coder->left = 0;
        return ESR_CODER_STOPPED;
    }
    return ESR_CODER_OK;
}

esr_coder_status esr_decode_plane(esr_coder *coder, uint8_t *samples, esr_take take, void *user)
{
    if (coder == NULL || samples == NULL || take == NULL) {
        return ESR_CODER_NULL;
    }
    if (coder->left == 0) {
        return ESR_CODER_ENDED;
    }
    coder->left--;
    esr_range_start(&coder->range, user);
    coder->range.take = take;
    esr_range_open(&coder->range);
    code_rows(coder, samples, samples);
    return ESR_CODER_OK;
}

int esr_put_bytes(void *user, const uint8_t *bytes, size_t count)
{
    esr_bytes *to = user;

    if (count > to->room - to->used) {
        return 1;
    }
    memcpy(to->bytes + to->used, bytes, count);
    to->used += count;
    return 0;
}

size_t esr_take_bytes(void *user, uint8_t *bytes, size_t room)
{
    esr_bytes *from = user;
    const size_t left = from->room - from->used;
    const size_t count = left < room ? left : room;

    if (count > 0) {
        memcpy(bytes, from->bytes + from->used, count);
        from->used += count;
    }
    return count;
}

uint32_t esr_crc32(uint32_t crc, const uint8_t *bytes, size_t count)
{
    static const uint32_t nibbles[16] = {
        0x00000000, 0x1DB71064, 0x3B6E20C8, 0x26D930AC, 0x76DC4190, 0x6B6B51F4,
        0x4DB26158, 0x5005713C, 0xEDB88320, 0xF00F9344, 0xD6D6A3E8, 0xCB61B38C,
        0x9B64C2B0, 0x86D3D2D4, 0xA00AE278, 0xBDBDF21C,
    };

    crc = ~crc;
    for (size_t i = 0; i < count; i++) {
        crc ^= bytes[i];
        crc = crc >> 4 ^ nibbles[crc & 15];
        crc = crc >> 4 ^ nibbles[crc & 15];
    }
    return ~crc;
}

size_t esr_coder_bytes(void)
{
    return sizeof(esr_coder);
}
