/*
 * recc.h: the C interface of recc, in librecc-c.so.
 *
 * Programs are compiled, run, streamed, differentiated and explained; see docs/capi.md. (For one compiled model as a library of its
 * own, without recc and LLVM, see docs/c.md.)
 *
 * - Every function that can fail returns a recc_status. Its last argument, where it is not null, is set to what went wrong, to be freed
 *   with recc_error_free, or to null. What the function would have given is then null or zeros, and nothing has changed.
 * - Texts are UTF-8. Sizes and numbers of things are int64_t. Numbers are in the byte order of the machine.
 * - Handles are freed with the function of their kind, null too. What they give (texts, shapes, numbers) lies in them and is gone with
 *   them. A handle may be freed before those that were made of it.
 * - Models, gradients, results, states and snapshots may be used by any number of threads at the same time; calls with one stream wait
 *   for each other.
 */
#ifndef RECC_H
#define RECC_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Grows when something of this header changes its meaning; functions that are added leave it as it is. */
#define RECC_INTERFACE_VERSION 1

int32_t recc_interface_version(void);

/* As `recc --version` has it: "0.2.0". */
const char *recc_version(void);

/* ---- Errors ---- */

typedef int32_t recc_status;
enum {
    RECC_OK = 0,
    /* The call is wrong, whatever the program and the data are: a null pointer, a handle of another kind, a negative size. */
    RECC_BAD_CALL = 1,
    /* The program, the data or a file is at fault. */
    RECC_PROBLEM = 2
};

typedef struct recc_error recc_error;

/* One of the things that are wrong. `help`, `file` may be null; `line` and `column` count from 1, and are 0 without a file. */
typedef struct recc_problem {
    const char *id;      /* its section in docs/errors.md: "shape-mismatch" */
    const char *message; /* what is wrong */
    const char *help;    /* the likely mend */
    const char *file;
    int64_t line;
    int64_t column;
    const char *text;    /* all of it as recc prints it, with the line at fault and a caret */
} recc_problem;

/* All problems as recc prints them; "" for null. */
const char *recc_error_text(const recc_error *error);
int64_t recc_error_count(const recc_error *error);
recc_status recc_error_problem(const recc_error *error, int64_t index, recc_problem *problem);
void recc_error_free(recc_error *error);

/* ---- Tensors ---- */

/* What a number is in memory. */
enum {
    RECC_F64 = 0,
    RECC_F32 = 1,
    RECC_F16 = 2,
    RECC_BF16 = 3,
    RECC_I64 = 4,
    RECC_I32 = 5,
    RECC_U8 = 6,
    RECC_BOOL = 7 /* bytes of 0 and 1 */
};

/*
 * A dense tensor in row-major order. Those that are given to a function need to last until it returns, no longer, and are not
 * written to; of those that a function gives, numbers may be read until the handle is freed.
 */
typedef struct recc_tensor {
    const char *name;
    const void *data;
    const int64_t *shape;
    int32_t rank;
    int32_t type;
} recc_tensor;

/* ---- Models ---- */

typedef struct recc_model recc_model;

/*
 * Reads a program from a file, or from a text that messages call `name` (null for "program.rec"), and fixes its dims.
 *
 * `options` is a list of "KEY=VALUE" with a null pointer behind the last, or null:
 *
 *   dim.H=64             the size of a dim; those that parameters tell may be left out
 *   model=NAME           which model of the program
 *   params=FILE          weights, .safetensors or .npz; may be given several times
 *   seed=1               parameters that are not given start from their initialisers
 *   output=NAME          an output or loss to compute, in place of all; may be given several times
 *   precision=f32        or f64
 *   engine=compiled      or interpreter, the reference, in f64
 *   threads=1            of a run that does not say
 *   plan.STATE=scan      the form of a recurrence: sequential, scan, chunkwise, chunkwise(64)
 *   weights=full         or bf16, how compiled code stores the weights of products
 *   memory=512MB         what a run may have in memory
 *   training=off         or on, for the model as it is while it is trained: dropout drops
 *   cache=user           where compiled code is kept: user, off, or a folder
 *
 * `parameters` go before those of files; they are known by path, or by the name that the source gives with `from`, and are copied.
 */
recc_status recc_load(
    const char *path, const char *const *options, const recc_tensor *parameters, int64_t parameter_count, recc_model **model,
    recc_error **error);
recc_status recc_compile(
    const char *text, const char *name, const char *const *options, const recc_tensor *parameters, int64_t parameter_count,
    recc_model **model, recc_error **error);
void recc_model_free(recc_model *model);

/* The same model with these parameters in place of those of their names. */
recc_status recc_model_with_parameters(
    const recc_model *model, const recc_tensor *parameters, int64_t parameter_count, recc_model **other, recc_error **error);

/* Writes the parameters, .safetensors or .npz, under the names that the source gives. */
recc_status recc_model_save(const recc_model *model, const char *path, recc_error **error);

/* "" for null. */
const char *recc_model_name(const recc_model *model);

int64_t recc_model_dim_count(const recc_model *model);
recc_status recc_model_dim(const recc_model *model, int64_t index, const char **name, int64_t *size, recc_error **error);

enum {
    RECC_INPUTS = 0,
    RECC_PARAMETERS = 1,
    RECC_OUTPUTS = 2,
    RECC_LOSSES = 3,
    RECC_STATES = 4,    /* of results: each state after the last step, [batch, ...] */
    RECC_GRADIENTS = 5  /* of results alone */
};

enum {
    RECC_STREAM = 1,   /* has a value at every step */
    RECC_OPTIONAL = 2, /* may be left out */
    RECC_TRAINED = 4,  /* a parameter, and no constant */
    RECC_COMPLEX = 8   /* its last axis has two, the real and the imaginary part */
};

/* What goes into a model or comes out. Inputs and results are in the order of the source. */
typedef struct recc_port {
    const char *name;
    const int64_t *shape;    /* -1 for the batch, and for the steps where data say how many there are */
    const char *const *axes; /* what each axis is called: "batch", "t", "H" */
    int32_t rank;
    int32_t type;            /* RECC_I64 for whole numbers, RECC_BOOL, RECC_F64 for losses, else the precision of the model */
    int32_t flags;
} recc_port;

/* -1 for null, or for what is no kind of ports. */
int64_t recc_model_port_count(const recc_model *model, int32_t kind);
recc_status recc_model_port(const recc_model *model, int32_t kind, int64_t index, recc_port *port, recc_error **error);

/* The numbers of a parameter, counted as its port. */
recc_status recc_model_parameter(const recc_model *model, int64_t index, recc_tensor *tensor, recc_error **error);

/* ---- Whole sequences ---- */

typedef struct recc_results recc_results;
typedef struct recc_state recc_state;

/*
 * Runs a model. `data` are inputs by name, [batch, t, ...] or [batch, ...], or without a batch axis for one sequence; "lengths", whole
 * numbers, one for each sequence, and "lengths.s" along an axis s; and parameters, which go before those of the model. Inputs whose type is that of their port, and
 * which are aligned, are read where they lie; others, and parameters, are copied.
 *
 * Outputs and losses that need an input which is not there are left out. With a `state` the run goes on from it, and the results have
 * the one at its end. `threads` is from 1 to 1024, or 0 for those of the model.
 */
recc_status recc_run(
    const recc_model *model, const recc_tensor *data, int64_t count, const recc_state *state, int32_t threads, recc_results **results,
    recc_error **error);
void recc_results_free(recc_results *results);

/* -1 for null, or for what is no kind. */
int64_t recc_results_count(const recc_results *results, int32_t kind);
/* Numbers lie in the results, where the run wrote them. */
recc_status recc_results_tensor(const recc_results *results, int32_t kind, int64_t index, recc_tensor *tensor, recc_error **error);
/* An output or loss, or what else `kind` says, by name. */
recc_status recc_results_find(const recc_results *results, int32_t kind, const char *name, recc_tensor *tensor, recc_error **error);
recc_status recc_results_state(const recc_results *results, recc_state **state, recc_error **error);

/* ---- States, from which runs and streams go on ---- */

/* The state before the first step. */
recc_state *recc_state_begin(void);
recc_status recc_state_load(const char *path, recc_state **state, recc_error **error);
/* Writes a .safetensors file. */
recc_status recc_state_save(const recc_state *state, const char *path, recc_error **error);
int64_t recc_state_count(const recc_state *state);
recc_status recc_state_tensor(const recc_state *state, int64_t index, recc_tensor *tensor, recc_error **error);
void recc_state_free(recc_state *state);

/* ---- Streams, step by step ---- */

typedef struct recc_stream recc_stream;
typedef struct recc_snapshot recc_snapshot;

/*
 * A stream of `batch` sequences that takes up to `capacity` steps at a time. `once` are the inputs that are given once. With a `state`
 * (recc_state_begin for the beginning) the stream knows its own: recc_stream_state.
 */
recc_status recc_stream_open(
    const recc_model *model, const recc_tensor *once, int64_t count, int64_t batch, int64_t capacity, const recc_state *state,
    recc_stream **stream, recc_error **error);
void recc_stream_free(recc_stream *stream);

/* RECC_INPUTS or RECC_OUTPUTS; of each the shape is that of a step of one sequence. */
int64_t recc_stream_port_count(const recc_stream *stream, int32_t kind);
recc_status recc_stream_port(const recc_stream *stream, int32_t kind, int64_t index, recc_port *port, recc_error **error);

/*
 * Where the next steps of an input are to be written, and the last steps of an output are to be read, of one sequence of the batch:
 * one step of `step_bytes` behind the other (an output that does not vary over time is there once). The memory stays in its place for
 * as long as the stream is there.
 */
recc_status recc_stream_input(
    const recc_stream *stream, const char *name, int64_t sequence, void **memory, int64_t *step_bytes, recc_error **error);
recc_status recc_stream_output(
    const recc_stream *stream, const char *name, int64_t sequence, const void **memory, int64_t *step_bytes, recc_error **error);

/* Takes steps, up to `capacity`, of what lies in the inputs. It allocates nothing. */
recc_status recc_stream_step(recc_stream *stream, int64_t steps, recc_error **error);
/*
 * The same on trial, of a stream that was opened with a state: products with weights read them once for all steps. recc_stream_accept then
 * says how many of the steps are to count, as in speculative decoding; the stream goes on behind them.
 */
recc_status recc_stream_draft(recc_stream *stream, int64_t steps, recc_error **error);
recc_status recc_stream_accept(recc_stream *stream, int64_t count, recc_error **error);
/* Steps taken since the beginning; -1 for null. */
int64_t recc_stream_step_count(const recc_stream *stream);
/* Goes back to where the stream was opened. */
recc_status recc_stream_reset(recc_stream *stream, recc_error **error);

recc_status recc_stream_snapshot(const recc_stream *stream, recc_snapshot **snapshot, recc_error **error);
/* Goes back to a snapshot of the same stream. */
recc_status recc_stream_restore(recc_stream *stream, const recc_snapshot *snapshot, recc_error **error);
void recc_snapshot_free(recc_snapshot *snapshot);

/* The state behind the last step, and going on from one; of streams that were opened with a state. */
recc_status recc_stream_state(const recc_stream *stream, recc_state **state, recc_error **error);
recc_status recc_stream_resume(recc_stream *stream, const recc_state *state, recc_error **error);

/* ---- Gradients ---- */

typedef struct recc_gradient recc_gradient;

/*
 * Differentiates the sum of what `of` names: losses, as they are; outputs, and last values of states as "final.STATE", times cotangents
 * that runs are given as "cotangent.NAME". Null for all losses, or all outputs where there is none. With respect to what `wrt` names:
 * parameters, inputs, "initial.STATE"; null for every parameter that is trained and every input of real numbers. Both are lists with a
 * null pointer behind the last. With a `truncation` other than 0 gradients do not pass between blocks of so many steps.
 *
 * It is compiled when it is first run, once, whatever the parameters of later runs. With `of`, nothing is computed that it does not
 * need; what none of it depends on has a gradient of zeros.
 */
recc_status recc_gradient_open(
    const recc_model *model, const char *const *of, const char *const *wrt, int64_t truncation, recc_gradient **gradient,
    recc_error **error);
/* Runs and differentiates; the results have RECC_GRADIENTS, in the order of `wrt`. */
recc_status recc_gradient_run(
    const recc_gradient *gradient, const recc_tensor *data, int64_t count, int32_t threads, recc_results **results, recc_error **error);
void recc_gradient_free(recc_gradient *gradient);

/* ---- Texts ---- */

/*
 * Holds a program's results against those of a case file, under every engine and form, as `recc verify` does; `options` are as of recc_load,
 * with `precision` only that of compiled code. A `tolerance` of 0 is each engine's own. `verified` is 1 where all that was compared agrees.
 * The text is the table with its verdict, to be freed with recc_text_free.
 */
recc_status recc_verify(
    const char *path, const char *data, const char *const *options, double tolerance, int32_t *verified, char **text, recc_error **error);

/*
 * What runs, and why, of a run of so many sequences and steps, as `recc explain` prints it; `gradient` is null for a run without
 * gradients. `json` is 0 for a page to read. The text is freed with recc_text_free.
 */
recc_status recc_explain(
    const recc_model *model, const recc_gradient *gradient, int64_t batch, int64_t length, int32_t threads, int32_t json, char **text,
    recc_error **error);
void recc_text_free(char *text);

#ifdef __cplusplus
}
#endif

#endif
