#include "storage/reserve.h"

#include "base/owner.h"
#include "storage/paths.h"

#define LOOK_NS  INT64_C(200000000) /* between two looks while something is published */
#define AGAIN_NS INT64_C(500000000) /* while it is scarce */

#define START_NEEDS (4u * RESERVE_STEP) /* a journal file, a segment, the node file */

/* ---- on a worker ---------------------------------------------------------------------------- */

static void look(struct reserve *reserve)
{
    uint64_t total;

    reserve->seen.failed = io_space(reserve->io, &reserve->seen.available, &total) != OK;
}

/* The file becomes whole when what is kept free is there beside it. */
static void fill(struct reserve *reserve)
{
    uint64_t missing = reserve->whole - reserve->seen.size;

    if (reserve->file == NULL || missing == 0 || reserve->seen.failed ||
        reserve->seen.available < reserve->keep + missing)
        return;
    if (io_allocate(reserve->io, reserve->file, reserve->seen.size, missing) == OK)
        reserve->seen.size = reserve->whole;
    look(reserve);
}

static void shorten(struct reserve *reserve)
{
    uint64_t size = reserve->seen.size > RESERVE_STEP ? reserve->seen.size - RESERVE_STEP : 0;

    /* If that fails nothing more is to be had from it in this life. */
    if (io_truncate(reserve->io, reserve->file, size) != OK)
        size = 0;
    reserve->seen.size = size;
}

static void run(struct io_work *work, struct io *io)
{
    struct reserve *reserve = owner_of(work, struct reserve, work);

    assert(io == reserve->io);
    if (reserve->giving)
        shorten(reserve);
    look(reserve);
    if (!reserve->giving)
        fill(reserve);
}

/* ---- what follows from it ------------------------------------------------------------------- */

/* A disk of which nothing is known is not called full. */
static bool is_scarce(const struct reserve *reserve)
{
    uint64_t need = reserve->keep + (reserve->scarce ? reserve->keep / 8 : 0);

    if (reserve->size < reserve->whole && reserve->file != NULL)
        return true;
    return !reserve->failed && reserve->available < need;
}

static void judge(struct reserve *reserve)
{
    bool scarce = is_scarce(reserve);
    int64_t now_ns = io_now(reserve->io);

    if (scarce && !timer_armed(&reserve->timer))
        timers_arm(io_timers(reserve->io), &reserve->timer, now_ns + AGAIN_NS);
    if (scarce == reserve->scarce)
        return;
    reserve->scarce = scarce;
    reserve->changed(reserve);
}

static void begin(struct reserve *reserve, bool giving)
{
    reserve->busy = true;
    reserve->giving = giving;
    reserve->taken.mark = reserve->taken.total;
    reserve->looked_ns = io_now(reserve->io);
    reserve->seen.size = reserve->size;
    io_work(reserve->io, &reserve->work);
}

static void done(struct io_work *work)
{
    struct reserve *reserve = owner_of(work, struct reserve, work);
    bool gave = reserve->giving;

    reserve->busy = false;
    reserve->giving = false;
    reserve->failed = reserve->seen.failed;
    reserve->available = reserve->seen.available;
    reserve->size = reserve->seen.size;
    reserve->taken.seen = reserve->taken.mark;
    reserve->spared.seen = reserve->spared.mark; /* later ones were perhaps not there yet */
    reserve->spared.mark = reserve->spared.total;
    judge(reserve);
    if (gave)
        reserve->given(reserve);
    else if (reserve->wanted)
        begin(reserve, true);
    reserve->wanted = false;
}

static void fired(struct timer *timer)
{
    struct reserve *reserve = owner_of(timer, struct reserve, timer);

    if (reserve->busy)
        timers_arm(io_timers(reserve->io), timer, io_now(reserve->io) + AGAIN_NS);
    else
        begin(reserve, false);
}

/* ---- the door ------------------------------------------------------------------------------- */

static uint64_t unseen(const struct reserve_count *count)
{
    return count->total - count->seen;
}

/* At once if what is kept may have been touched, for all that is known. */
static void look_again(struct reserve *reserve)
{
    uint64_t gone = unseen(&reserve->taken) + unseen(&reserve->spared);

    bool doubt = !reserve->scarce && !reserve->failed && reserve->available < reserve->keep + gone;

    if (!reserve->busy && (doubt || io_now(reserve->io) - reserve->looked_ns >= LOOK_NS))
        begin(reserve, false);
}

bool reserve_admits(struct reserve *reserve, uint64_t size)
{
    if (reserve->keep == 0)
        return true;
    reserve->taken.total += size;
    look_again(reserve);
    if (reserve->scarce)
        return false;
    /* What comes between two looks is counted: it may be more than there is. */
    return reserve->failed || unseen(&reserve->taken) <= RESERVE_STEP ||
           unseen(&reserve->taken) + reserve->keep <= reserve->available;
}

bool reserve_spares(struct reserve *reserve, uint64_t size)
{
    if (reserve->keep == 0)
        return true;
    look_again(reserve);
    if (!reserve->failed &&
        (reserve->scarce || reserve->available < reserve->keep + size + unseen(&reserve->spared)))
        return false;
    reserve->spared.total += size;
    return true;
}

bool reserve_give(struct reserve *reserve)
{
    if (reserve->file == NULL || reserve->size == 0)
        return false;
    if (reserve->busy)
        reserve->wanted = !reserve->giving; /* behind the look that is under way */
    else
        begin(reserve, true);
    return true;
}

bool reserve_idle(const struct reserve *reserve)
{
    return !reserve->busy;
}

/* ---- life ----------------------------------------------------------------------------------- */

static void open_file(struct reserve *reserve, const char *dir)
{
    struct path path = path_in(dir, "reserve");
    enum err err = io_open(reserve->io, path.text, IO_READ | IO_WRITE, &reserve->file);

    if (err == ERR_NOT_FOUND)
        err = io_open(reserve->io, path.text, IO_READ | IO_WRITE | IO_CREATE, &reserve->file);
    if (err != OK)
        reserve->file = NULL;
    if (err == OK && io_size(reserve->io, reserve->file, &reserve->size) != OK)
        reserve->size = 0;
    if (reserve->size > reserve->whole &&
        io_truncate(reserve->io, reserve->file, reserve->whole) == OK)
        reserve->size = reserve->whole;
}

void reserve_open(struct reserve *reserve, struct io *io, const char *dir, uint64_t keep,
                  void (*changed)(struct reserve *reserve), void (*given)(struct reserve *reserve))
{
    uint64_t total = 0;

    *reserve = (struct reserve){.io = io, .changed = changed, .given = given};
    reserve->work.run = run;
    reserve->work.done = done;
    reserve->timer.fire = fired;
    reserve->failed = io_space(io, &reserve->available, &total) != OK;
    if (keep == UINT64_MAX || reserve->failed)
        return;
    reserve->keep = keep != 0 ? keep : total / 20;
    if (keep == 0 && reserve->keep > RESERVE_DEFAULT_MAX)
        reserve->keep = RESERVE_DEFAULT_MAX;
    reserve->whole = reserve->keep / 4 < RESERVE_FILE_MAX ? reserve->keep / 4 : RESERVE_FILE_MAX;
    open_file(reserve, dir);
    reserve->seen.size = reserve->size;
    look(reserve);
    fill(reserve);
    reserve->failed = reserve->seen.failed;
    reserve->available = reserve->seen.available;
    reserve->size = reserve->seen.size;
    judge(reserve);
}

void reserve_ease(struct io *io, const char *dir)
{
    struct io_file *file;
    uint64_t available, total, size;

    if (io_space(io, &available, &total) != OK || available >= START_NEEDS)
        return;
    if (io_open(io, path_in(dir, "reserve").text, IO_READ | IO_WRITE, &file) != OK)
        return;
    if (io_size(io, file, &size) == OK)
        (void)io_truncate(io, file, size > START_NEEDS ? size - START_NEEDS : 0);
    io_close(io, file);
}

void reserve_forget(struct reserve *reserve)
{
    if (reserve->io != NULL && timer_armed(&reserve->timer))
        timers_cancel(io_timers(reserve->io), &reserve->timer);
}

void reserve_close(struct reserve *reserve)
{
    assert(!reserve->busy);
    reserve_forget(reserve);
    if (reserve->file != NULL)
        io_close(reserve->io, reserve->file);
    reserve->file = NULL;
}
