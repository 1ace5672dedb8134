/* The ATtiny10's analog parts, against voltages that a test sets: ADC (datasheet section 13), comparator output
 * (section 12; no interrupt), supply monitor (section 8). */
#include "tiny_parts.h"

enum { ADEN = 0x80, ADSC = 0x40, ADATE = 0x20, ADIF = 0x10 }; /* ADCSRA */
enum { ACO = 0x20, ACD = 0x80 };                              /* ACSR */
enum { VLMF = 0x80, VLMIE = 0x40 };                           /* VLMCSR */

static void convert(struct tiny *tiny, uint64_t start, unsigned adc_clocks)
{
    unsigned adps = tiny->io[ADCSRA] & 7;
    tiny_due(tiny, PART_ADC, start + ((uint64_t)adc_clocks << (adps ? adps : 1)));
}

void analog_due(struct tiny *tiny)
{
    unsigned mv = tiny->analog_mv[tiny->io[ADMUX] & 3], code = mv * 256 / (tiny->vcc_mv ? tiny->vcc_mv : 1);
    tiny->io[ADCL] = code < 255 ? code : 255;
    tiny_flag(tiny, ADCSRA, ADIF);
    if (tiny->io[ADCSRA] & ADATE && !(tiny->io[ADCSRB] & 7)) { /* free running; other triggers are not modelled */
        convert(tiny, tiny->due[PART_ADC], 13);
    } else {
        tiny->io[ADCSRA] &= ~ADSC;
        tiny_due(tiny, PART_ADC, UINT64_MAX);
    }
}

/* VLMF follows the supply: below the chosen trigger level it is set. Typical levels, section 16. */
static uint8_t supply_low(const struct tiny *tiny)
{
    static const uint16_t level_mv[8] = { 0, 1400, 1400, 1600, 2500, 3700, 0, 0 };
    return tiny->vcc_mv < level_mv[tiny->io[VLMCSR] & 7] ? VLMF : 0;
}

uint8_t analog_read(struct tiny *tiny, uint16_t address)
{
    uint8_t value = tiny->io[address];
    if (address == ACSR && !(value & ACD) && tiny->analog_mv[0] > tiny->analog_mv[1])
        return value | ACO;
    return address == VLMCSR ? (value & 0x7f) | supply_low(tiny) : value;
}

void analog_write(struct tiny *tiny, uint16_t address, uint8_t value)
{
    uint8_t old = tiny->io[address];
    switch (address) {
    case ADCSRA:
        if (tiny->io[PRR] & PRADC)
            return;
        tiny->io[ADCSRA] = (value & ~(ADIF | ADSC)) | (old & ADIF & ~value) | (old & ADSC);
        if (!(value & ADEN)) {
            tiny->io[ADCSRA] &= ~ADSC;
            tiny_due(tiny, PART_ADC, UINT64_MAX);
        } else if (value & ~old & ADSC) {
            tiny->io[ADCSRA] |= ADSC;
            convert(tiny, tiny->avr.cycle + 1, old & ADEN ? 13 : 25); /* the first one after enabling takes longer */
        }
        break;
    case ACSR: tiny->io[ACSR] = value & 0x9f & ~0x10; break; /* ACI is never set */
    case VLMCSR:
        tiny->io[VLMCSR] = value & 0x47;
        if (supply_low(tiny))
            tiny_flag(tiny, VLMCSR, VLMF);
        break;
    }
    tiny->avr.irq = true;
}
