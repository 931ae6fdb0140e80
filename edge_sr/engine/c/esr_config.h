/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of edge-sr's engine: which plans a build runs. An exporter that knows the plan writes a file
 * of its own, so that a program holds no code that it does not need.
 */
#ifndef ESR_CONFIG_H
#define ESR_CONFIG_H

/* 1: plans for frames of any size (esr_plan.h) run. */
#ifndef ESR_STREAMS
#define ESR_STREAMS 1
#endif

/* 1: plans for frames of one size (esr_frame_plan.h) run. */
#ifndef ESR_FRAMES
#define ESR_FRAMES 1
#endif

/* The kinds of operators (esr_frame_kind) that plans for frames of one size may have: bit k stands
 * for kind k. */
#ifndef ESR_FRAME_KINDS
#define ESR_FRAME_KINDS 0xffffffff
#endif

#endif
