/* A USB device for the tests of the bus: endpoint 1 bulk OUT, endpoint 2 bulk IN, double-banked.
 *
 * Vendor requests: 1 sets what it does with them: 0 nothing, 1 OUT is emptied, 2 IN is filled with numbered packets,
 * 3 both, 4 OUT packets come back as IN packets, 5 OUT is emptied by interrupts. 2 stalls endpoints by a bit mask.
 * 3 takes and gives back data on endpoint 0. 4 is never answered. 5 gives counts of SOFI, SUSPI, WAKEUPI, EORSTI.
 */
#include <avr/interrupt.h>
#include <avr/io.h>
#include <string.h>

#define EVENTS 0xFFu
#define FREE_OUT (uint8_t)(EVENTS & ~(1u << RXOUTI | 1u << FIFOCON))
#define SEND_IN (uint8_t)(EVENTS & ~(1u << TXINI | 1u << FIFOCON | 1u << RXOUTI))
#define BULK_64_TWO 0x36
#define EP0_SIZE 16

static const uint8_t device[] = { 18, 1, 0, 2, 0xFF, 0, 0, EP0_SIZE, 0x09, 0x12, 1, 0, 0, 1, 0, 0, 0, 1 };
static const uint8_t configuration[] = {
    9, 2, 32, 0, 1, 1, 0, 0x80, 50, 9, 4, 0, 0, 2, 0xFF, 0, 0, 0,
    7, 5, 0x01, 2, 64, 0, 0, 7, 5, 0x82, 2, 64, 0, 0,
};

static volatile uint8_t mode;
static uint8_t stored[100], counts[4];
static uint16_t number;

static void endpoint(uint8_t n, uint8_t config0, uint8_t config1, uint8_t enables)
{
    UENUM = n;
    UECONX = 1 << EPEN;
    UECFG0X = config0;
    UECFG1X = config1;
    UEIENX = enables;
}

static void wait(uint8_t flag)
{
    while (!(UEINTX & flag))
        ;
}

static void send(const uint8_t *data, uint8_t length, uint16_t wanted)
{
    if (length > wanted)
        length = wanted;
    for (;;) {
        uint8_t events;
        while (!((events = UEINTX) & (1 << TXINI | 1 << RXOUTI | 1 << NAKOUTI)))
            ;
        if (events & (1 << RXOUTI | 1 << NAKOUTI))
            break; /* the host has had enough */
        uint8_t n = length < EP0_SIZE ? length : EP0_SIZE;
        for (uint8_t i = 0; i < n; i++)
            UEDATX = *data++;
        length -= n;
        UEINTX = (uint8_t)~(1 << TXINI);
        if (n < EP0_SIZE)
            break;
    }
    wait(1 << RXOUTI);
    UEINTX = (uint8_t)~(1 << RXOUTI | 1 << NAKOUTI);
}

static void acknowledge(void)
{
    UEINTX = (uint8_t)~(1 << TXINI);
    wait(1 << TXINI);
}

static void request(void)
{
    uint8_t setup[8];
    for (uint8_t i = 0; i < 8; i++)
        setup[i] = UEDATX;
    UEINTX = (uint8_t)~(1 << RXSTPI | 1 << NAKOUTI | 1 << NAKINI);
    uint16_t length = setup[6] | setup[7] << 8;
    switch (setup[0] << 8 | setup[1]) {
    case 0x8006:
        if (setup[3] == 1)
            send(device, sizeof device, length);
        else if (setup[3] == 2)
            send(configuration, sizeof configuration, length);
        else
            break;
        return;
    case 0x0005:
        UDADDR = setup[2];
        acknowledge();
        UDADDR = setup[2] | 1 << ADDEN;
        return;
    case 0x0009:
        endpoint(1, 0x80, BULK_64_TWO, 0);
        endpoint(2, 0x81, BULK_64_TWO, 0);
        UERST = 6;
        UERST = 0;
        for (uint8_t n = 1; n < 3; n++) {
            UENUM = n;
            UECONX = 1 << EPEN | 1 << RSTDT;
        }
        UENUM = 0;
        acknowledge();
        return;
    case 0x0201: /* CLEAR_FEATURE, ENDPOINT_HALT */
        UENUM = setup[4] & 7;
        UECONX = 1 << EPEN | 1 << STALLRQC | 1 << RSTDT;
        UENUM = 0;
        acknowledge();
        return;
    case 0x4001:
        mode = setup[2];
        UENUM = 1;
        UEIENX = mode == 5 ? 1 << RXOUTE : 0;
        UENUM = 0;
        acknowledge();
        return;
    case 0x4002:
        for (uint8_t n = 1; n < 3; n++)
            if (setup[2] >> n & 1) {
                UENUM = n;
                UECONX = 1 << EPEN | 1 << STALLRQ;
            }
        UENUM = 0;
        acknowledge();
        return;
    case 0x4003:
        for (uint8_t i = 0; i < length;) {
            wait(1 << RXOUTI);
            for (uint8_t n = UEBCLX; n && i < sizeof stored; n--)
                stored[i++] = UEDATX;
            UEINTX = (uint8_t)~(1 << RXOUTI);
        }
        acknowledge();
        return;
    case 0xC003:
        send(stored, sizeof stored, length);
        return;
    case 0xC004:
    case 0x4004:
        return;
    case 0xC005:
        send(counts, sizeof counts, length);
        return;
    }
    UECONX = 1 << EPEN | 1 << STALLRQ;
}

static void bus(void)
{
    uint8_t events = UDINT;
    UDINT = (uint8_t)~events;
    counts[0] += events >> SOFI & 1;
    counts[1] += events >> SUSPI & 1;
    if (events & 1 << WAKEUPI && counts[1] != counts[2])
        counts[2]++;
    if (events & 1 << EORSTI) {
        counts[3]++;
        endpoint(0, 0, 0x12, 1 << RXSTPE);
    }
}

ISR(USB_COM_vect)
{
    uint8_t selected = UENUM;
    UENUM = 1;
    UEINTX = FREE_OUT;
    UENUM = selected;
}

static void bulk(void)
{
    UENUM = 1;
    if ((mode & 1) && mode < 4 && UEINTX & 1 << RXOUTI)
        UEINTX = FREE_OUT;
    if (mode == 4 && UEINTX & 1 << RXOUTI) {
        uint8_t data[64], length = UEBCLX;
        for (uint8_t i = 0; i < length; i++)
            data[i] = UEDATX;
        UENUM = 2;
        wait(1 << TXINI);
        for (uint8_t i = 0; i < length; i++)
            UEDATX = data[i];
        UEINTX = SEND_IN;
        UENUM = 1;
        UEINTX = FREE_OUT;
    }
    UENUM = 2;
    if ((mode & 2) && mode < 4 && UEINTX & 1 << TXINI) {
        UEDATX = number & 0xFF;
        UEDATX = number++ >> 8;
        for (uint8_t i = 0; i < 62; i += 2) {
            UEDATX = i;
            UEDATX = i;
        }
        UEINTX = SEND_IN;
    }
}

int main(void)
{
    CLKPR = 1 << CLKPCE;
    CLKPR = 0;
    UHWCON = 1 << UVREGE;
    PLLCSR = 1 << PINDIV | 1 << PLLE;
    while (!(PLLCSR & 1 << PLOCK))
        ;
    USBCON = 1 << USBE | 1 << OTGPADE;
    UDCON = 0;
    endpoint(0, 0, 0x12, 1 << RXSTPE);
    for (;;) {
        if (UDINT & (1 << SOFI | 1 << SUSPI | 1 << WAKEUPI | 1 << EORSTI))
            bus();
        UENUM = 0;
        if (UEINTX & 1 << RXSTPI) {
            cli();
            request();
        }
        if (mode == 5)
            sei();
        else
            bulk();
    }
}
