/* apps/simulator/scenario.h - an INI file that says what to simulate. Every unknown key is an error.
 *
 *     [world]    trace = ../traces/city10-s1.txt.zst    relative to the file; or movement = waypoint | bus | square
 *                nodes, duration (s), seed
 *     [movement] width, height (m), speed_min, speed_max (m/s), pause (s), range (m), villages, buses
 *     [messages] life (s), interval (s), size_min, size_max, until (s)    the last four only with movement
 *     [radio]    rate (bytes/s)
 *     [store]    bytes, big_from, big_to, big_bytes      nodes big_from..big_to have stores of big_bytes
 *     [router]   policy, copies, without = part,part     parts of ours to switch off
 *     [faults]   black_holes = 0.33, flooders (stack rules only)
 */
#ifndef STA_SIMULATOR_SCENARIO_H
#define STA_SIMULATOR_SCENARIO_H

#include "apps/simulator/movement.h"
#include "apps/simulator/world.h"

struct scenario {
    char name[64], trace_path[512];
    struct movement movement;
    struct world_config config;   /* trace is NULL until scenario_open */
    uint32_t nodes;
    double duration_s;
    struct trace trace;
};

/* Reads and checks the file. The fault names the line and the key. */
enum err scenario_load(struct scenario *s, const char *path, struct trace_fault *fault);

/* Loads or makes the trace. */
enum err scenario_open(struct scenario *s, struct trace_fault *fault);
void scenario_clear(struct scenario *s);

/* "antipackets,order" as bits of enum ablation; false: an unknown word. */
bool scenario_parts(const char *words, uint32_t *out);

#endif
