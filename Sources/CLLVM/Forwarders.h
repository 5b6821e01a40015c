#ifndef FORWARDERS_H
#define FORWARDERS_H

/// A function of LLVM, and where its forwarder jumps to.
struct recc_forwarder {
    const char *name;
    void **address;
};

extern const struct recc_forwarder recc_forwarders[];
extern const unsigned long recc_forwarder_count;

#endif
