/* The ATtiny10's non-volatile memory (datasheet section 15): flash, lock bits, configuration, calibration, signature;
 * erased as sections, written as words, and a write only clears bits. Only TPI can write: there is no
 * self-programming. */
#include "tiny_parts.h"
#include <string.h>

enum { LOCK = 0x3f00, CONFIG = 0x3f40, CALIBRATION = 0x3f80, SIGNATURE = 0x3fc0, FLASH = 0x4000 };
enum { CHIP_ERASE = 0x10, SECTION_ERASE = 0x14, WORD_WRITE = 0x1d }; /* NVMCMD */
enum { NO_WRITE = 0x01, NO_READ = 0x02 };                            /* lock bits NVLB1, NVLB2; 0 is programmed */
enum { LEAST_MV = 4500 };                                            /* 5 V, section 15 */

void nvm_init(struct tiny *tiny)
{
    tiny->nvm = (struct tiny_nvm){
        .signature = { 0x1e, 0x90, 0x03 },
        .config = 0xff, .lock = 0xff, .calibration = 0x80, .word_ps = TINY_WORD_PS, .erase_ps = TINY_ERASE_PS };
}

static bool in_flash(uint16_t address)
{
    return address >= FLASH && address < FLASH + TINY_FLASH;
}

uint8_t nvm_read(struct tiny *tiny, uint16_t address, uint64_t time_ps)
{
    const struct tiny_nvm *nvm = &tiny->nvm;
    bool running = tiny->start_ps != UINT64_MAX; /* lock bits keep programmers out, not the program */
    if (time_ps < nvm->busy_ps)
        return 0xff;
    if (in_flash(address)) {
        uint16_t word = tiny->avr.flash[(address - FLASH) / 2];
        return running || nvm->lock & NO_READ ? (address & 1 ? word >> 8 : word & 0xff) : 0xff;
    }
    switch (address) {
    case LOCK: return nvm->lock;
    case CONFIG: return nvm->config;
    case CALIBRATION: return nvm->calibration;
    case SIGNATURE:
    case SIGNATURE + 1:
    case SIGNATURE + 2: return nvm->signature[address - SIGNATURE];
    default: return address >= LOCK && address < FLASH ? 0xff : 0;
    }
}

static void erase_flash(struct tiny *tiny)
{
    memset(tiny->avr.flash, 0xff, TINY_FLASH);
    avr_decode(&tiny->avr, 0, TINY_FLASH / 2);
}

static void erase(struct tiny *tiny, uint16_t address)
{
    struct tiny_nvm *nvm = &tiny->nvm;
    if (nvm->lock & NO_WRITE || tiny->io[NVMCMD] == CHIP_ERASE) { /* a locked chip can be erased whole only */
        if (in_flash(address))
            erase_flash(tiny);
        else if ((address & ~1) == CONFIG && tiny->io[NVMCMD] == SECTION_ERASE)
            nvm->config = 0xff;
        if (tiny->io[NVMCMD] == CHIP_ERASE && in_flash(address))
            nvm->lock = 0xff;
        nvm->erases++;
    } else {
        nvm->refused++;
    }
}

static void write_word(struct tiny *tiny, uint16_t address, uint16_t word)
{
    struct tiny_nvm *nvm = &tiny->nvm;
    if (!(nvm->lock & NO_WRITE) && address != LOCK) {
        nvm->refused++;
        return;
    }
    if (in_flash(address)) {
        unsigned at = (address - FLASH) / 2;
        tiny->avr.flash[at] &= word;
        avr_decode(&tiny->avr, at, 1);
    } else if (address == CONFIG) {
        nvm->config &= word | 0xf8;
    } else if (address == LOCK) {
        nvm->lock &= word | 0xfc;
    }
    nvm->words++;
}

/* The low byte of a word is kept; the high byte starts what NVMCMD says. */
void nvm_write(struct tiny *tiny, uint16_t address, uint8_t value, uint64_t time_ps)
{
    struct tiny_nvm *nvm = &tiny->nvm;
    uint8_t command = tiny->io[NVMCMD];
    if (address < LOCK)
        return;
    if (time_ps < nvm->busy_ps || tiny->vcc_mv < LEAST_MV) {
        nvm->refused++;
    } else if (!(address & 1)) {
        nvm->low = value;
    } else if (command == WORD_WRITE) {
        write_word(tiny, address - 1, value << 8 | nvm->low);
        nvm->busy_ps = time_ps + nvm->word_ps;
    } else if (command == CHIP_ERASE || command == SECTION_ERASE) {
        erase(tiny, address);
        nvm->busy_ps = time_ps + nvm->erase_ps;
    }
}
