/*
 * A bit is foretold from samples nearby, of which the more significant planes are known, and this
 * one too where it has been coded already. A linear predictor that learns (normalized least mean
 * squares) says where the sample lies above or below the value that parts a 0 from a 1; what it
 * says, and how lively the surroundings are, choose one of 192 adaptive contexts.
 */
#include "esr_coder.h"

#include "esr_range.h"

#include <string.h>

/* Values are in half steps: STEP of them are what the bit to be coded is worth. */
#define STEP 2

/* Neighbours within the channel, of which the first have been coded in this plane already. */
enum { W, N, NW, NE, WW, NN, E, S, SW, SE, NEAR };
#define NEAR_CODED E

/* Neighbours in each of the channels before, which have all been coded. */
#define ACROSS 4
#define CHANNELS_BEFORE 2

/* Weights, and what they foretell, are in 2^-16. */
#define ONE 65536

/* Limits, so that no sum exceeds 32 bits. */
#define TAP_MAX 255
#define WEIGHT_MAX (2 * ONE)
#define ERROR_MAX (64 * ONE)

/* The lower, the faster do weights learn. */
#define LEARN_SHIFT 5

/* Added to the energy of the taps: without any there is little to learn. */
#define LEAST_ENERGY 8u

/* Classes of what is foretold on each side of 0, in eighths. */
#define SIDES 12
#define EIGHTH_SHIFT 13

/* From the sample whose bit comes next. */
typedef struct step {
    int32_t down;
    int32_t right;
} step;

static const step near_steps[NEAR] = {
    [W] = {0, -1}, [N] = {-1, 0},  [NW] = {-1, -1}, [NE] = {-1, 1}, [WW] = {0, -2},
    [NN] = {-2, 0}, [E] = {0, 1}, [S] = {1, 0},    [SW] = {1, -1}, [SE] = {1, 1},
};
static const step across_steps[ACROSS] = {{0, -1}, {0, 1}, {-1, 0}, {1, 0}};

static const int32_t first_weights[ESR_CODER_TAPS] = {
    [W] = 24576, [N] = 24576, [NW] = -8192, [E] = 12288, [S] = 12288,
};

/* The class of a value; what is larger has the class of the last. The number of a class is how many
 * of these limits are reached: 1, 3, 5, 7, 10, 14, 20, 28, 40, 56, 80. */
#define CLASS_MAX 80
static const uint8_t side_classes[CLASS_MAX + 1] = {
    0, 1, 1, 2, 2, 3, 3, 4, 4, 4, 5, 5, 5, 5, 6, 6, 6, 6, 6, 6, 7, 7, 7, 7, 7, 7, 7, 7, 8, 8, 8,
    8, 8, 8, 8, 8, 8, 8, 8, 8, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 10, 10, 10, 10,
    10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 11,
};

/* And of these: 3, 6, 10, 16, 26, 44, 80. */
static const uint8_t activity_classes[CLASS_MAX + 1] = {
    0, 0, 0, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 5, 5, 5, 5, 5,
    5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6,
    6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 7,
};

/* The sample whose bit comes next. */
typedef struct spot {
    const uint8_t *here;
    uint32_t channel;
    uint32_t y;
    uint32_t x;
    unsigned plane;
    ptrdiff_t near[NEAR]; /* from here to its neighbours, where they are within the frame */
    ptrdiff_t across[ACROSS];
} spot;

/* What is known of its bit. */
typedef struct guess {
    int32_t taps[ESR_CODER_TAPS];
    int32_t value;   /* above 0: a 1; in half steps and 2^-16 */
    uint32_t energy; /* of the taps */
    esr_context *context;
} guess;

static inline int32_t clamp(int32_t value, int32_t limit)
{
    return value > limit ? limit : value < -limit ? -limit : value;
}

static inline int32_t size_of(int32_t value)
{
    return value < 0 ? -value : value;
}

/* The middle of what a sample can be of which this plane is known. */
static inline int32_t known(uint8_t sample, unsigned plane)
{
    return ((sample >> plane) << 1) + 1;
}

/* The same where this plane is still to come. */
static inline int32_t due(uint8_t sample, unsigned plane)
{
    return ((sample >> plane >> 1) << 2) + STEP;
}

/* How far to go without leaving the frame. */
static inline int32_t within(uint32_t from, int32_t by, uint32_t size)
{
    const int64_t to = (int64_t)from + by;

    return to < 0 ? -(int32_t)from : to >= (int64_t)size ? (int32_t)(size - 1 - from) : by;
}

static inline ptrdiff_t distance(const esr_coder_shape *shape, step to)
{
    return (ptrdiff_t)to.down * (ptrdiff_t)shape->width + to.right;
}

/* The sample at the edge of the frame that is nearest to the neighbour, or the neighbour. */
static inline step reachable(const esr_coder_shape *shape, const spot *at, step to)
{
    to.down = within(at->y, to.down, shape->height);
    to.right = within(at->x, to.right, shape->width);
    return to;
}

/* Taps of the channel itself where no neighbour is beyond the frame. */
static inline void look_near(const spot *at, int32_t *taps)
{
    const int32_t own = due(*at->here, at->plane);

    for (int i = 0; i < NEAR_CODED; i++) {
        taps[i] = clamp(known(at->here[at->near[i]], at->plane) - own, TAP_MAX);
    }
    for (int i = NEAR_CODED; i < NEAR; i++) {
        taps[i] = clamp(due(at->here[at->near[i]], at->plane) - own, TAP_MAX);
    }
}

/* The same anywhere. */
static void look_near_edge(const esr_coder_shape *shape, const spot *at, int32_t *taps)
{
    const int32_t own = due(*at->here, at->plane);

    for (int i = 0; i < NEAR; i++) {
        const step to = reachable(shape, at, near_steps[i]);
        const int there = to.down == near_steps[i].down && to.right == near_steps[i].right;
        const uint8_t sample = at->here[distance(shape, to)];
        const int32_t value =
            there && i < NEAR_CODED ? known(sample, at->plane) : due(sample, at->plane);

        taps[i] = clamp(value - own, TAP_MAX);
    }
}

/* Taps of the channels before. */
static inline void look_across(const esr_coder_shape *shape, const spot *at, int inside,
                               int32_t *taps)
{
    const uint8_t *here = at->here;

    for (uint32_t i = 0; i < CHANNELS_BEFORE; i++, taps += ACROSS) {
        if (i >= at->channel) {
            memset(taps, 0, ACROSS * sizeof taps[0]);
            continue;
        }
        here -= (size_t)shape->height * shape->width;
        for (int j = 0; j < ACROSS; j++) {
            const ptrdiff_t to =
                inside ? at->across[j] : distance(shape, reachable(shape, at, across_steps[j]));

            taps[j] = clamp(known(*here, at->plane) - known(here[to], at->plane), TAP_MAX);
        }
    }
}

/* How much the surroundings differ among themselves. */
static inline int32_t activity(const int32_t *taps)
{
    const int32_t *across = taps + NEAR;

    return size_of(taps[W] - taps[E]) + size_of(taps[N] - taps[S]) + size_of(taps[W] - taps[NW]) +
           size_of(taps[N] - taps[NE]) + size_of(taps[NE] - taps[E]) +
           size_of(taps[S] - taps[SW]) +
           (size_of(across[0] + across[1]) + size_of(across[2] + across[3])) / 2;
}

static inline void foretell(const int32_t *weights, guess *made)
{
    int32_t sum = 0;
    int32_t energy = 0;

    for (int i = 0; i < ESR_CODER_TAPS; i++) {
        sum += weights[i] * made->taps[i];
        energy += made->taps[i] * made->taps[i];
    }
    made->value = sum;
    made->energy = LEAST_ENERGY + (uint32_t)energy;
}

static inline esr_context *choose(esr_coder *coder, const guess *made)
{
    const int32_t far = size_of(made->value) >> EIGHTH_SHIFT;
    const int32_t lively = activity(made->taps);
    const int side = side_classes[far < CLASS_MAX ? far : CLASS_MAX];
    const int liveliness = activity_classes[lively < CLASS_MAX ? lively : CLASS_MAX];

    return &coder->contexts[2 * SIDES * liveliness +
                            (made->value < 0 ? SIDES - 1 - side : SIDES + side)];
}

/* Weights move toward foretelling half a step on the bit's side; further is no mistake. */
static inline void learn(int32_t *weights, const guess *made, unsigned bit)
{
    const int32_t target = bit != 0 ? ONE : -ONE;
    const int beyond = bit != 0 ? made->value > ONE : made->value < -ONE;
    const int32_t error = clamp(target - made->value, ERROR_MAX);
    const unsigned shift = esr_log2(made->energy) + LEARN_SHIFT;

    if (beyond) {
        return;
    }
    for (int i = 0; i < ESR_CODER_TAPS; i++) {
        const int32_t change = error * made->taps[i];

        weights[i] = clamp(weights[i] + ((change + (1 << (shift - 1))) >> shift), WEIGHT_MAX);
    }
}

/* With `decode` the bit comes, else it goes. `inside`: no neighbour is beyond the frame. */
static inline unsigned code_bit(esr_coder *coder, const spot *at, int inside, int decode)
{
    int32_t *weights = coder->weights[at->channel];
    unsigned bit = (*at->here >> at->plane) & 1u;
    guess made;

    if (inside) {
        look_near(at, made.taps);
    } else {
        look_near_edge(&coder->shape, at, made.taps);
    }
    look_across(&coder->shape, at, inside, made.taps + NEAR);
    foretell(weights, &made);
    made.context = choose(coder, &made);
    if (decode) {
        bit = esr_range_decode(&coder->range, made.context);
    } else {
        esr_range_encode(&coder->range, made.context, bit);
    }
    learn(weights, &made, bit);
    return bit;
}

static void encode_row(esr_coder *coder, spot *at)
{
    const esr_coder_shape *shape = &coder->shape;
    const int middle = at->y >= 2 && at->y + 1 < shape->height;

    for (at->x = 0; at->x < shape->width; at->x++, at->here++) {
        if (middle && at->x >= 2 && at->x + 1 < shape->width) {
            (void)code_bit(coder, at, 1, 0);
        } else {
            (void)code_bit(coder, at, 0, 0);
        }
    }
}

static void decode_row(esr_coder *coder, spot *at, uint8_t *row)
{
    const esr_coder_shape *shape = &coder->shape;
    const int middle = at->y >= 2 && at->y + 1 < shape->height;

    for (at->x = 0; at->x < shape->width; at->x++, at->here++) {
        const int inside = middle && at->x >= 2 && at->x + 1 < shape->width;
        const unsigned bit = inside ? code_bit(coder, at, 1, 1) : code_bit(coder, at, 0, 1);

        row[at->x] = (uint8_t)(row[at->x] | bit << at->plane);
    }
}

/* All rows of all channels; `out` is null when they are encoded. */
static void code_rows(esr_coder *coder, const uint8_t *samples, uint8_t *out)
{
    const esr_coder_shape *shape = &coder->shape;
    spot at = {samples, 0, 0, 0, coder->left, {0}, {0}};

    for (int i = 0; i < NEAR; i++) {
        at.near[i] = distance(shape, near_steps[i]);
    }
    for (int i = 0; i < ACROSS; i++) {
        at.across[i] = distance(shape, across_steps[i]);
    }
    for (at.channel = 0; at.channel < shape->channels; at.channel++) {
        for (at.y = 0; at.y < shape->height && coder->range.stopped == 0; at.y++) {
            if (out == NULL) {
                encode_row(coder, &at);
            } else {
                decode_row(coder, &at, out);
                out += shape->width;
            }
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
