#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "click/country.h"

/* Alpha-2 and alpha-3 of every country, in the order of alpha-2: iso-codes 4.15, and XK and ZZ. */
static const char countries[] =
    "ADAND AEARE AFAFG AGATG AIAIA ALALB AMARM AOAGO AQATA ARARG ASASM ATAUT AUAUS AWABW AXALA AZAZE BABIH "
    "BBBRB BDBGD BEBEL BFBFA BGBGR BHBHR BIBDI BJBEN BLBLM BMBMU BNBRN BOBOL BQBES BRBRA BSBHS BTBTN BVBVT "
    "BWBWA BYBLR BZBLZ CACAN CCCCK CDCOD CFCAF CGCOG CHCHE CICIV CKCOK CLCHL CMCMR CNCHN COCOL CRCRI CUCUB "
    "CVCPV CWCUW CXCXR CYCYP CZCZE DEDEU DJDJI DKDNK DMDMA DODOM DZDZA ECECU EEEST EGEGY EHESH ERERI ESESP "
    "ETETH FIFIN FJFJI FKFLK FMFSM FOFRO FRFRA GAGAB GBGBR GDGRD GEGEO GFGUF GGGGY GHGHA GIGIB GLGRL GMGMB "
    "GNGIN GPGLP GQGNQ GRGRC GSSGS GTGTM GUGUM GWGNB GYGUY HKHKG HMHMD HNHND HRHRV HTHTI HUHUN IDIDN IEIRL "
    "ILISR IMIMN ININD IOIOT IQIRQ IRIRN ISISL ITITA JEJEY JMJAM JOJOR JPJPN KEKEN KGKGZ KHKHM KIKIR KMCOM "
    "KNKNA KPPRK KRKOR KWKWT KYCYM KZKAZ LALAO LBLBN LCLCA LILIE LKLKA LRLBR LSLSO LTLTU LULUX LVLVA LYLBY "
    "MAMAR MCMCO MDMDA MEMNE MFMAF MGMDG MHMHL MKMKD MLMLI MMMMR MNMNG MOMAC MPMNP MQMTQ MRMRT MSMSR MTMLT "
    "MUMUS MVMDV MWMWI MXMEX MYMYS MZMOZ NANAM NCNCL NENER NFNFK NGNGA NINIC NLNLD NONOR NPNPL NRNRU NUNIU "
    "NZNZL OMOMN PAPAN PEPER PFPYF PGPNG PHPHL PKPAK PLPOL PMSPM PNPCN PRPRI PSPSE PTPRT PWPLW PYPRY QAQAT "
    "REREU ROROU RSSRB RURUS RWRWA SASAU SBSLB SCSYC SDSDN SESWE SGSGP SHSHN SISVN SJSJM SKSVK SLSLE SMSMR "
    "SNSEN SOSOM SRSUR SSSSD STSTP SVSLV SXSXM SYSYR SZSWZ TCTCA TDTCD TFATF TGTGO THTHA TJTJK TKTKL TLTLS "
    "TMTKM TNTUN TOTON TRTUR TTTTO TVTUV TWTWN TZTZA UAUKR UGUGA UMUMI USUSA UYURY UZUZB VAVAT VCVCT VEVEN "
    "VGVGB VIVIR VNVNM VUVUT WFWLF WSWSM XKXKX YEYEM YTMYT ZAZAF ZMZMB ZWZWE ZZZZZ ";
enum { COUNTRIES = 251, ENTRY_BYTES = 6 };

static void expect(const char *text, size_t len, const char *alpha3, uint8_t expected_form) {
    struct country country = {0};
    uint8_t form = 99;
    char back[4];
    assert_true(country_parse((struct bytes){(const uint8_t *)text, len}, &country, &form));
    assert_int_equal(form, expected_form);
    country_text(country, back);
    assert_memory_equal(back, alpha3, 3);
    assert_int_equal(back[3], 0);
}

static void every_country_is_read_and_written_both_ways(void **state) {
    (void)state;
    assert_int_equal(sizeof countries - 1, COUNTRIES * ENTRY_BYTES);
    for (const char *entry = countries; *entry != 0; entry += ENTRY_BYTES) {
        const char *alpha3 = entry + 2;
        expect(entry, 2, alpha3, COUNTRY_ALPHA2);
        expect(alpha3, 3, alpha3, COUNTRY_ALPHA3);
        struct country country;
        uint8_t form;
        char alpha2[3];
        assert_true(country_parse((struct bytes){(const uint8_t *)alpha3, 3}, &country, &form));
        country_text_alpha2(country, alpha2);
        assert_memory_equal(alpha2, entry, 2);
        assert_int_equal(alpha2[2], 0);
    }
}

static void any_case_is_read_and_kept_verbatim(void **state) {
    (void)state;
    for (const char *entry = countries; *entry != 0; entry += ENTRY_BYTES) {
        for (unsigned upper = 0; upper < 8; upper++) {
            char text[3];
            for (unsigned i = 0; i < 3; i++) {
                text[i] = (char)((upper >> i & 1) != 0 ? entry[2 + i] : tolower((unsigned char)entry[2 + i]));
            }
            expect(text, 3, entry + 2, upper == 7 ? COUNTRY_ALPHA3 : COUNTRY_VERBATIM);
            text[0] = (char)((upper & 1) != 0 ? entry[0] : tolower((unsigned char)entry[0]));
            text[1] = (char)((upper & 2) != 0 ? entry[1] : tolower((unsigned char)entry[1]));
            expect(text, 2, entry + 2, (upper & 3) == 3 ? COUNTRY_ALPHA2 : COUNTRY_VERBATIM);
        }
    }
}

/* All texts of 1 to 3 letters: exactly the countries are taken. */
static void no_other_letters_are_a_country(void **state) {
    (void)state;
    unsigned alpha2 = 0;
    unsigned alpha3 = 0;
    struct country country;
    uint8_t form;
    for (unsigned code = 0; code < 26 * 26 * 26; code++) {
        const uint8_t text[3] = {(uint8_t)('A' + code / 676), (uint8_t)('A' + code / 26 % 26), (uint8_t)('A' + code % 26)};
        alpha3 += country_parse((struct bytes){text, 3}, &country, &form);
        if (code < 676) alpha2 += country_parse((struct bytes){text + 1, 2}, &country, &form);
        if (code < 26) assert_false(country_parse((struct bytes){text + 2, 1}, &country, &form));
    }
    assert_int_equal(alpha2, COUNTRIES);
    assert_int_equal(alpha3, COUNTRIES);
}

static void what_is_not_two_or_three_letters_is_refused(void **state) {
    (void)state;
    const char *const texts[] = {"",   "U",   "USAA",     "U S",   "U1",  "US1", "@A", "A[",
                                 "{A", "A`A", "\xc3\x84", "U\xd3", " US", "*",   "840"};
    struct country country;
    uint8_t form;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        assert_false(country_parse(bytes_of_text(texts[i]), &country, &form));
    }
    assert_false(country_parse((struct bytes){(const uint8_t *)"US\0", 3}, &country, &form));
}

static void unknown_is_zzz(void **state) {
    (void)state;
    struct country country;
    uint8_t form;
    assert_true(country_parse(bytes_of_text("ZZ"), &country, &form));
    assert_int_equal(country.code, COUNTRY_UNKNOWN);
    assert_true(country_parse(bytes_of_text("ZZZ"), &country, &form));
    assert_int_equal(country.code, COUNTRY_UNKNOWN);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_country_is_read_and_written_both_ways),
        cmocka_unit_test(any_case_is_read_and_kept_verbatim),
        cmocka_unit_test(no_other_letters_are_a_country),
        cmocka_unit_test(what_is_not_two_or_three_letters_is_refused),
        cmocka_unit_test(unknown_is_zzz),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
