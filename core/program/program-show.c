#include "program/program-show.h"

#include "base/units.h"

enum { MAX_NAMED = 4 };

/* "input+4096": where a step reads or writes. */
static void
add_buffer(GString *text, uint8_t buffer, uint64_t offset)
{
    static const char *const names[] = { "", "input", "output", "scratch" };

    if (buffer != FAB_BUFFER_NONE)
        g_string_append_printf(text, "%s+%" G_GUINT64_FORMAT, names[buffer], offset);
}

/* ", rank 3": the other ends, all ranks in a few words where they are many. */
static void
add_ends(GString *text, const FabEnd *ends, uint32_t count)
{
    for (uint32_t i = 0; i < count && count <= MAX_NAMED; i++)
        g_string_append_printf(text, "%srank %u", text->len > 0 ? ", " : "", ends[i].peer);
    if (count > MAX_NAMED)
        g_string_append_printf(text, "%s%u ranks", text->len > 0 ? ", " : "", count);
}

static void
write_step(const FabStream *stream, uint64_t index, const FabStep *step, FILE *out)
{
    g_autoptr(GString) from = g_string_new(NULL), to = g_string_new(NULL);

    add_buffer(from, step->src, step->src_offset);
    add_ends(from, step->recv, step->recv_count);
    add_buffer(to, step->dst, step->dst_offset);
    add_ends(to, step->send, step->send_count);
    fprintf(out, "%5u %7u %4u %6" G_GUINT64_FORMAT "  %-18s %10" G_GUINT64_FORMAT "  %-26s %s%s\n", stream->rank,
            stream->channel, stream->role, index, fab_step_name(step), step->bytes, from->str, to->str,
            step->flags & FAB_STEP_IN_SWITCH    ? " (by the switch)"
            : step->flags & FAB_STEP_IN_NETWORK ? " (by the network)"
                                                : "");
}

static void
write_stream(const FabProgram *program, const FabStream *stream, FILE *out)
{
    for (uint64_t index = 0;; index++) {
        FabStep step = { 0 };
        if (!program->step(program, stream, index, &step))
            return;
        write_step(stream, index, &step, out);
    }
}

static bool
is_wanted(int64_t wanted, uint32_t number)
{
    return wanted < 0 || wanted == number;
}

void
fab_program_show(const FabProgram *program, const FabProgramNote *note, const FabProgramPart *part, FILE *out)
{
    g_autofree char *size = fab_format_bytes(note->size), *slice = fab_format_bytes(program->slice_bytes);

    fprintf(out, "# %s %s %s, %s over %u ranks: %u channel%s, slices of at most %s, %u of them in flight\n",
            note->collective, note->algorithm, note->protocol, size, program->ranks, program->channels,
            fab_plural(program->channels), slice, program->slots);
    fputs("#rank channel role   step  name                    bytes  from                       to\n", out);
    for (uint32_t rank = 0; rank < program->ranks; rank++)
        for (uint32_t channel = 0; channel < program->channels && is_wanted(part->rank, rank); channel++)
            for (uint32_t role = 0; role < program->roles && is_wanted(part->channel, channel); role++)
                write_stream(program, &(FabStream) { rank, channel, role }, out);
}
