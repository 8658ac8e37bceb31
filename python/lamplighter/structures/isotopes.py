"""Which masses an element may have: its standard atomic mass, and the masses of its isotopes."""

from __future__ import annotations

from ase.data import atomic_masses, chemical_symbols

NEAR_STANDARD = 0.3
"""g/mol: a mass this near to an element's standard mass is one of that element, as `fix guard` has it."""

# g/mol: an isotope's mass lies below its mass number by up to 0.1 (tin), and above it by up to 0.0163 (tritium) or 0.06
# (uranium). The united atoms CH, CH2 and CH3 (13.019, 14.027, 15.035) are no isotopes.
_BELOW_WHOLE, _ABOVE_WHOLE, _ABOVE_WHOLE_OF_HEAVY, _HEAVY = 0.12, 0.0175, 0.06, 200
_ROUNDED = 0.0035  # g/mol: of masses written with two decimals or more; ¹⁴C lies 0.0038 from the standard mass of N

# Isotopes of natural elements and tritium, ¹⁴C: mass numbers of the table of isotopic compositions of the IUPAC
# (Commission on Isotopic Abundances and Atomic Weights, https://www.ciaaw.org).
_MASS_NUMBERS = """
H 1 2 3; He 3 4; Li 6 7; Be 9; B 10 11; C 12 13 14; N 14 15; O 16 17 18; F 19; Ne 20 21 22; Na 23; Mg 24 25 26; Al 27;
Si 28 29 30; P 31; S 32 33 34 36; Cl 35 37; Ar 36 38 40; K 39 40 41; Ca 40 42 43 44 46 48; Sc 45; Ti 46 47 48 49 50;
V 50 51; Cr 50 52 53 54; Mn 55; Fe 54 56 57 58; Co 59; Ni 58 60 61 62 64; Cu 63 65; Zn 64 66 67 68 70; Ga 69 71;
Ge 70 72 73 74 76; As 75; Se 74 76 77 78 80 82; Br 79 81; Kr 78 80 82 83 84 86; Rb 85 87; Sr 84 86 87 88; Y 89;
Zr 90 91 92 94 96; Nb 93; Mo 92 94 95 96 97 98 100; Ru 96 98 99 100 101 102 104; Rh 103; Pd 102 104 105 106 108 110;
Ag 107 109; Cd 106 108 110 111 112 113 114 116; In 113 115; Sn 112 114 115 116 117 118 119 120 122 124; Sb 121 123;
Te 120 122 123 124 125 126 128 130; I 127; Xe 124 126 128 129 130 131 132 134 136; Cs 133;
Ba 130 132 134 135 136 137 138; La 138 139; Ce 136 138 140 142; Pr 141; Nd 142 143 144 145 146 148 150;
Sm 144 147 148 149 150 152 154; Eu 151 153; Gd 152 154 155 156 157 158 160; Tb 159; Dy 156 158 160 161 162 163 164;
Ho 165; Er 162 164 166 167 168 170; Tm 169; Yb 168 170 171 172 173 174 176; Lu 175 176; Hf 174 176 177 178 179 180;
Ta 180 181; W 180 182 183 184 186; Re 185 187; Os 184 186 187 188 189 190 192; Ir 191 193; Pt 190 192 194 195 196 198;
Au 197; Hg 196 198 199 200 201 202 204; Tl 203 205; Pb 204 206 207 208; Bi 209; Th 230 232; Pa 231; U 234 235 238
"""
_ISOTOPES = {words[0]: tuple(map(int, words[1:])) for words in map(str.split, _MASS_NUMBERS.split(";"))}

# Masses (g/mol, IUPAC) that tell the element without its name: those of no other element, and far enough from the
# united atoms CH, CH2 and CH3 (13.019, 14.027, 15.035).
_TELLING = {
    "H": (2.01410,),
    "Li": (6.01512, 7.01600),
    "B": (10.01294, 11.00931),
    "C": (13.00335,),
    "N": (15.00011,),
    "O": (16.99913, 17.99916),
}
_TELLING_WITHIN = 0.004  # g/mol


def standard_mass(symbol: str) -> float:
    """Standard atomic mass (g/mol, IUPAC 2016 as in ASE)."""
    return float(atomic_masses[chemical_symbols.index(symbol)])


def element_of_standard_mass(mass: float, within: float) -> str | None:
    """The one element whose standard mass (g/mol) is so near; None: there is none, or there are several."""
    near = [symbol for symbol in chemical_symbols[1:] if abs(standard_mass(symbol) - mass) < within]
    return near[0] if len(near) == 1 else None


def element_of_isotope(mass: float) -> str | None:
    """The element of a light isotope whose mass (g/mol) no other element has; None: there is none."""
    for symbol, masses in _TELLING.items():
        if any(abs(each - mass) < _TELLING_WITHIN for each in masses):
            return symbol
    return None


def may_have(symbol: str, mass: float) -> bool:
    """Whether a mass (g/mol) can be one of an element: near its standard mass, or that of an isotope.

    The standard mass of another element, with two decimals or more, is not: 14.007 is nitrogen, 14.003 may be ¹⁴C.
    """
    away = abs(standard_mass(symbol) - mass)
    other = element_of_standard_mass(mass, _ROUNDED)
    if other in _ISOTOPES and other != symbol and away >= _ROUNDED:
        return False
    return away < NEAR_STANDARD or any(_is_of_isotope(mass, number) for number in _ISOTOPES.get(symbol, ()))


def _is_of_isotope(mass: float, number: int) -> bool:
    return -_BELOW_WHOLE < mass - number < (_ABOVE_WHOLE if number < _HEAVY else _ABOVE_WHOLE_OF_HEAVY)
