#define _GNU_SOURCE
#include "CHost.h"

#include <link.h>
#include <string.h>

/// Looks for the image that holds this code, and names what it is.
struct search {
    unsigned char *identity;
    int count;
};

static const unsigned char *build_id(const struct dl_phdr_info *image, const ElfW(Phdr) * part, unsigned long *count) {
    const unsigned char *at = (const unsigned char *)(image->dlpi_addr + part->p_vaddr), *end = at + part->p_memsz;
    while ((unsigned long)(end - at) >= sizeof(ElfW(Nhdr))) {
        const ElfW(Nhdr) *note = (const ElfW(Nhdr) *)at;
        const unsigned char *name = at + sizeof *note;
        const unsigned long name_bytes = (note->n_namesz + 3ul) & ~3ul, bytes = (note->n_descsz + 3ul) & ~3ul;
        if ((unsigned long)(end - name) < name_bytes || (unsigned long)(end - name) - name_bytes < bytes) return 0;
        if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 && !memcmp(name, "GNU", 4)) {
            *count = note->n_descsz;
            return name + name_bytes;
        }
        at = name + name_bytes + bytes;
    }
    return 0;
}

static int visit(struct dl_phdr_info *image, size_t size, void *data) {
    (void)size;
    struct search *search = data;
    const ElfW(Addr) here = (ElfW(Addr))recc_image_identity;
    int is_it = 0;
    for (int k = 0; k < image->dlpi_phnum; k++) {
        const ElfW(Phdr) *part = &image->dlpi_phdr[k];
        is_it |= part->p_type == PT_LOAD && here - (image->dlpi_addr + part->p_vaddr) < part->p_memsz;
    }
    if (!is_it) return 0;
    for (int k = 0; k < image->dlpi_phnum; k++) {
        unsigned long count = 0;
        const unsigned char *id = image->dlpi_phdr[k].p_type == PT_NOTE ? build_id(image, &image->dlpi_phdr[k], &count) : 0;
        if (!id || count < 8) continue;
        if (count > RECC_IDENTITY_BYTES) count = RECC_IDENTITY_BYTES;
        memcpy(search->identity, id, count);
        search->count = (int)count;
        return 1;
    }
    // Linked without a build id: what was loaded and cannot be written is the same in every process.
    uint64_t hashes[2] = {1, 2};
    for (int k = 0; k < image->dlpi_phnum; k++) {
        const ElfW(Phdr) *part = &image->dlpi_phdr[k];
        if (part->p_type != PT_LOAD || part->p_flags & PF_W || !(part->p_flags & PF_R)) continue;
        for (int h = 0; h < 2; h++) hashes[h] = recc_hash((const void *)(image->dlpi_addr + part->p_vaddr), part->p_filesz, hashes[h]);
    }
    memcpy(search->identity, hashes, sizeof hashes);
    search->count = sizeof hashes;
    return 1;
}

int recc_image_identity(unsigned char identity[RECC_IDENTITY_BYTES]) {
    struct search search = {identity, 0};
    dl_iterate_phdr(visit, &search);
    return search.count;
}

void recc_code_was_written(void *start, unsigned long count) {
    __builtin___clear_cache((char *)start, (char *)start + count);
}
