#include <string.h>

#include "base/datatype.h"
#include "base/error.h"
#include "program/program-file.h"
#include "program/program-survey.h"

void
fab_program_note_clear(FabProgramNote *note)
{
    g_clear_pointer(&note->collective, g_free);
    g_clear_pointer(&note->algorithm, g_free);
    g_clear_pointer(&note->protocol, g_free);
    g_clear_pointer(&note->datatype, g_free);
    g_clear_pointer(&note->reduction, g_free);
    g_clear_pointer(&note->gpus, g_free);
}

void
fab_program_file_begin(FILE *out)
{
    fprintf(out, "fabricast-program %d\n", FAB_PROGRAM_FILE_VERSION);
}

static bool
check_note(const FabProgram *program, const FabProgramNote *note, uint32_t element_bytes, GError **error)
{
    if (strcmp(note->reduction, "avg") == 0) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "%s: reduction is avg, which no step performs; accepted: sum, prod, max, min", program->name);
        return false;
    }
    if (note->size % element_bytes == 0)
        return true;
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                "%s: size is %" G_GUINT64_FORMAT ", must be a multiple of the %u bytes of a %s", program->name,
                note->size, element_bytes, note->datatype);
    return false;
}

static void
write_note(const FabProgramNote *note, FILE *out)
{
    fprintf(out, "program %s-%s-%s-%" G_GUINT64_FORMAT "\n", note->collective, note->algorithm, note->protocol,
            note->size);
    fprintf(out, "collective %s\nalgorithm %s\nprotocol %s\n", note->collective, note->algorithm, note->protocol);
    fprintf(out, "datatype %s %u\nreduction %s\n", note->datatype, fab_datatype_bytes(note->datatype),
            note->reduction);
    fprintf(out, "size %" G_GUINT64_FORMAT "\npiece %" G_GUINT64_FORMAT "\nroot %u\nin-place 0\none-way %d\n",
            note->size, note->piece, note->root, note->one_way);
}

static void
write_frame(const FabProgram *program, const FabProgramNote *note, FILE *out)
{
    fprintf(out, "input %" G_GUINT64_FORMAT "\noutput %" G_GUINT64_FORMAT "\nscratch %" G_GUINT64_FORMAT "\n",
            program->input_bytes, program->output_bytes, program->scratch_bytes);
    fprintf(out, "slice %" G_GUINT64_FORMAT "\nslots %u\nthreads %u\n", program->slice_bytes, program->slots,
            note->threads);
    fprintf(out, "ranks %u\nchannels %u\nroles %u\n", program->ranks, program->channels, program->roles);
    for (uint32_t i = 0; i < program->roles; i++)
        fprintf(out, "share %u\n", (unsigned)(program->role_share[i] * 1000));
    for (uint32_t i = 0; i < program->ranks; i++)
        fprintf(out, "gpu %u\n", note->gpus[i]);
}

static void
write_wires(const FabSurvey *survey, FILE *out)
{
    fprintf(out, "connections %u\n", survey->wires->len);
    for (guint i = 0; i < survey->wires->len; i++) {
        const FabWire *wire = &g_array_index(survey->wires, FabWire, i);
        fprintf(out, "connection %u %u %u %u %u %u\n", wire->sender.rank, wire->sender.channel, wire->sender.role,
                wire->receiver.rank, wire->receiver.channel, wire->receiver.role);
    }
}

static void
write_step(const FabStep *step, const FabSurvey *survey, FILE *out)
{
    static const char letters[] = { '-', 'i', 'o', 's' };
    bool reads = step->bytes > 0 && step->src != FAB_BUFFER_NONE;
    bool writes = step->bytes > 0 && step->dst != FAB_BUFFER_NONE;

    fprintf(out, "step %" G_GUINT64_FORMAT " %c %" G_GUINT64_FORMAT " %c %" G_GUINT64_FORMAT " %u %u", step->bytes,
            letters[step->src], reads ? step->src_offset : 0, letters[step->dst], writes ? step->dst_offset : 0,
            step->recv_count, step->send_count);
    for (uint32_t i = 0; i < step->recv_count; i++)
        fprintf(out, " %u", survey->wire_of[step->recv[i].connection]);
    for (uint32_t i = 0; i < step->send_count; i++)
        fprintf(out, " %u", survey->wire_of[step->send[i].connection]);
    fputc('\n', out);
}

static void
write_streams(const FabProgram *program, const FabSurvey *survey, FILE *out)
{
    uint64_t streams = (uint64_t)program->ranks * program->channels * program->roles;

    fprintf(out, "streams %" G_GUINT64_FORMAT "\n", survey->streams);
    for (uint64_t i = 0; i < streams; i++) {
        FabStream stream = fab_survey_stream(program, i);
        if (survey->steps[i] == 0)
            continue;
        fprintf(out, "stream %u %u %u %" G_GUINT64_FORMAT "\n", stream.rank, stream.channel, stream.role,
                survey->steps[i]);
        for (uint64_t j = 0; j < survey->steps[i]; j++) {
            FabStep step = { 0 };
            program->step(program, &stream, j, &step);
            write_step(&step, survey, out);
        }
    }
}

bool
fab_program_write(const FabProgram *program, const FabProgramNote *note, uint64_t *steps, FILE *out, GError **error)
{
    uint32_t element_bytes = fab_datatype_bytes(note->datatype);
    g_auto(FabSurvey) survey = { 0 };

    g_return_val_if_fail(element_bytes > 0, false);
    if (!check_note(program, note, element_bytes, error) ||
        !fab_survey(program, element_bytes, FAB_PROGRAM_FILE_STEPS - *steps, &survey, error))
        return false;
    *steps += survey.total;
    write_note(note, out);
    write_frame(program, note, out);
    write_wires(&survey, out);
    write_streams(program, &survey, out);
    fputs("end\n", out);
    return true;
}
