/* ATmega32U4 registers and bits that the simulator models, by data-space address (datasheet 7766J, section 32). */
#ifndef TINYMUX_SIM_MEGA_REGISTERS_H
#define TINYMUX_SIM_MEGA_REGISTERS_H

enum mega_register {
    /* ports, section 10: PIN, DDR, PORT in this order for each port */
    M_PINB = 0x23, M_DDRB, M_PORTB, M_PINC, M_DDRC, M_PORTC, M_PIND, M_DDRD, M_PORTD,
    M_PINE, M_DDRE, M_PORTE, M_PINF, M_DDRF, M_PORTF,
    /* timer flags, sections 13 and 14 */
    M_TIFR0 = 0x35, M_TIFR1, M_TIFR3 = 0x38,
    M_GPIOR0 = 0x3E, M_EECR, M_EEDR, M_EEARL, M_EEARH, M_GTCCR,
    M_TCCR0A, M_TCCR0B, M_TCNT0, M_OCR0A, M_OCR0B,
    M_PLLCSR = 0x49, M_GPIOR1, M_GPIOR2,
    M_PLLFRQ = 0x52, M_SMCR, M_MCUSR, M_MCUCR, M_SPMCSR = 0x57,
    M_SPL = 0x5D, M_SPH, M_SREG,
    M_WDTCSR = 0x60, M_CLKPR, M_PRR0 = 0x64, M_PRR1,
    M_TIMSK0 = 0x6E, M_TIMSK1, M_TIMSK3 = 0x71,
    M_TCCR1A = 0x80, M_TCCR1B, M_TCCR1C, M_TCNT1L = 0x84, M_TCNT1H, M_ICR1L, M_ICR1H,
    M_OCR1AL, M_OCR1AH, M_OCR1BL, M_OCR1BH, M_OCR1CL, M_OCR1CH,
    M_TCCR3A = 0x90, M_OCR3CH = 0x9D, /* timer 3 stands 0x10 above timer 1 */
    /* USB, sections 21 and 22 */
    M_UHWCON = 0xD7, M_USBCON, M_USBSTA, M_USBINT,
    M_UDCON = 0xE0, M_UDINT, M_UDIEN, M_UDADDR, M_UDFNUML, M_UDFNUMH, M_UDMFN,
    M_UEINTX = 0xE8, M_UENUM, M_UERST, M_UECONX, M_UECFG0X, M_UECFG1X, M_UESTA0X, M_UESTA1X,
    M_UEIENX, M_UEDATX, M_UEBCLX, M_UEBCHX, M_UEINT,
    M_IO_END = 0x100,
};

enum { /* UEINTX and, at the same places, UEIENX */
    FIFOCON = 0x80, NAKINI = 0x40, RWAL = 0x20, NAKOUTI = 0x10, RXSTPI = 0x08, RXOUTI = 0x04, STALLEDI = 0x02, TXINI = 0x01,
    KILLBK = RXOUTI, /* the same bit, written on an IN endpoint */
};
enum { STALLRQ = 0x20, STALLRQC = 0x10, RSTDT = 0x08, EPEN = 0x01 };            /* UECONX */
enum { EPDIR_IN = 0x01, EPTYPE = 0xC0, EPTYPE_CONTROL = 0x00 };                 /* UECFG0X */
enum { ALLOC = 0x02 };                                                          /* UECFG1X */
enum { CFGOK = 0x80, CTRLDIR = 0x04 };                                          /* UESTA0X, UESTA1X */
enum { UPRSMI = 0x40, EORSMI = 0x20, WAKEUPI = 0x10, EORSTI = 0x08, SOFI = 0x04, SUSPI = 0x01 }; /* UDINT, UDIEN */
enum { RSTCPU = 0x08, RMWKUP = 0x02, DETACH = 0x01 };                           /* UDCON */
enum { ADDEN = 0x80 };                                                          /* UDADDR */
enum { USBE = 0x80, FRZCLK = 0x20, OTGPADE = 0x10, VBUSTE = 0x01 };             /* USBCON */
enum { UVREGE = 0x01, VBUS = 0x01, VBUSTI = 0x01 };                             /* UHWCON, USBSTA, USBINT */
enum { PINDIV = 0x10, PLLE = 0x02, PLOCK = 0x01 };                              /* PLLCSR */
enum { PLLUSB = 0x40, PDIV = 0x0F, PDIV_48MHZ = 0x04, PDIV_96MHZ = 0x0A };      /* PLLFRQ */
enum { JTD = 0x80, PUD = 0x10, IVSEL = 0x02, IVCE = 0x01 };                     /* MCUCR */
enum { JTRF = 0x10, WDRF = 0x08, BORF = 0x04, EXTRF = 0x02, PORF = 0x01 };      /* MCUSR */
enum { WDIF = 0x80, WDIE = 0x40, WDCE = 0x10, WDE = 0x08 };                     /* WDTCSR */
enum { EEPM = 0x30, EERIE = 0x08, EEMPE = 0x04, EEPE = 0x02, EERE = 0x01 };     /* EECR */
enum { SIGRD = 0x20, SPMEN = 0x01 };                                            /* SPMCSR */
enum { SMCR_MODE = 0x0E, SMCR_SE = 0x01 };                                      /* SMCR */
enum { CLKPCE = 0x80 };                                                         /* CLKPR */

enum mega_vector { /* section 9, table 9-1, from 0 */
    V_USB_GENERAL = 10, V_USB_ENDPOINT = 11, V_WATCHDOG = 12,
    V_TIMER1 = 16 /* capture, compare A, B, C, overflow */, V_TIMER0 = 21 /* compare A, B, overflow */,
    V_EEPROM = 30, V_TIMER3 = 31 /* as timer 1 */,
};
#endif
