/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Part of edge-sr's engine: which plans a build runs. An exporter that knows the plan writes a file
 * of its own, so that a program holds no code that it does not need.
 */
#ifndef ESR_CONFIG_H
#define ESR_CONFIG_H

/* 1: plans for frames of one size (esr_frame_plan.h) run, too; 0: only those for any size do. */
#ifndef ESR_FRAMES
#define ESR_FRAMES 1
#endif

#endif
