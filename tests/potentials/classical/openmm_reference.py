"""Energies, term by term, and forces of molecules by OpenMM, from what moltemplate converted: code that is not ours."""

from __future__ import annotations

from collections.abc import Sequence

import networkx
import numpy as np
import openmm
from ase import Atoms
from moltemplate_reference import Converted
from openmm import app, unit

_KCAL, _KCAL_EV, _NM = 4.184, 0.0433641153087705, 0.1
EV_IN_KJ_MOL = 96.48533212331


def evaluate(
    atoms: Atoms, molecules: Sequence[tuple[Converted, float]], cutoff: float
) -> tuple[dict[str, float], np.ndarray]:
    """Energies (eV) by term, and forces (eV/Å).

    Args:
        atoms: Periodic in all directions or in none.
        molecules: In order, each with the factor for its charges.
        cutoff: Å; of Lennard-Jones interactions and of the real part of PME.
    """
    periodic = bool(atoms.pbc.all())
    system = openmm.System()
    if periodic:
        system.setDefaultPeriodicBoxVectors(*(openmm.Vec3(*vector) * _NM for vector in atoms.cell.array))
    bonds = openmm.HarmonicBondForce()
    angles = openmm.HarmonicAngleForce()
    dihedrals, impropers = openmm.PeriodicTorsionForce(), openmm.PeriodicTorsionForce()
    coulomb = openmm.NonbondedForce()
    pair = "4*sqrt(e1*e2)*((s/r)^12-(s/r)^6); s=sqrt(s1*s2)"
    dispersion = openmm.CustomNonbondedForce(pair)
    at_14 = openmm.CustomBondForce("2*e*((s/r)^12-(s/r)^6)")
    for name in ("e", "s"):
        dispersion.addPerParticleParameter(name)
        at_14.addPerBondParameter(name)
    coulomb.setNonbondedMethod(openmm.NonbondedForce.PME if periodic else openmm.NonbondedForce.NoCutoff)
    coulomb.setCutoffDistance(cutoff * _NM)
    coulomb.setEwaldErrorTolerance(1e-6)
    dispersion.setNonbondedMethod(2 if periodic else 0)
    dispersion.setCutoffDistance(cutoff * _NM)
    dispersion.setUseLongRangeCorrection(False)
    first = 0
    for molecule, scale in molecules:
        _add(molecule, scale, first, system, bonds, angles, dihedrals, impropers, coulomb, dispersion, at_14)
        first += len(molecule.masses)
    forces = {
        "bond": [bonds],
        "angle": [angles],
        "dihedral": [dihedrals],
        "improper": [impropers],
        "Coulomb": [coulomb],
        "van der Waals": [dispersion, at_14],
    }
    for group, members in enumerate(forces.values()):
        for force in members:
            force.setForceGroup(group)
            if periodic and hasattr(force, "setUsesPeriodicBoundaryConditions"):
                force.setUsesPeriodicBoundaryConditions(True)
            system.addForce(force)
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(atoms.positions * _NM)
    energies = {}
    for group, name in enumerate(forces):
        state = context.getState(getEnergy=True, groups={group})
        energies[name] = state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole) / EV_IN_KJ_MOL
    found = context.getState(getForces=True).getForces(asNumpy=True)
    return energies, found.value_in_unit(unit.kilojoule_per_mole / unit.angstrom) / EV_IN_KJ_MOL


def evaluate_water(
    atoms: Atoms, file: str, r6: float, r12: float, cutoff: float
) -> tuple[dict[str, float], np.ndarray]:
    """The same of rigid water by a file of OpenMM's own, without bonds and angles.

    Args:
        atoms: O, H, H of each molecule in a row.
        file: Of `openmm.app`.
        r6, r12: Factors of −1/r⁶ and 1/r¹² between oxygens, kJ/mol, nm.
        cutoff: Å.
    """
    topology = app.Topology()
    topology.setPeriodicBoxVectors(np.asarray(atoms.cell.array) * _NM * unit.nanometer)
    chain = topology.addChain()
    for _ in range(len(atoms) // 3):
        residue = topology.addResidue("HOH", chain)
        oxygen, *hydrogens = (
            topology.addAtom(name, app.Element.getBySymbol(name[0]), residue) for name in ("O", "H1", "H2")
        )
        for hydrogen in hydrogens:
            topology.addBond(oxygen, hydrogen)
    system = app.ForceField(file).createSystem(topology, nonbondedMethod=app.PME, nonbondedCutoff=cutoff * _NM)
    (coulomb,) = (each for each in system.getForces() if isinstance(each, openmm.NonbondedForce))
    coulomb.setUseDispersionCorrection(False)
    coulomb.setEwaldErrorTolerance(1e-6)
    system_of_terms = openmm.System()
    dispersion = openmm.CustomNonbondedForce(f"present1*present2*({r12!r}/r^12-{r6!r}/r^6)")
    dispersion.addPerParticleParameter("present")
    dispersion.setNonbondedMethod(2)
    dispersion.setCutoffDistance(cutoff * _NM)
    for index in range(system.getNumParticles()):
        charge, _, epsilon = coulomb.getParticleParameters(index)
        system_of_terms.addParticle(1.0)
        coulomb.setParticleParameters(index, charge, 1.0, 0.0)
        dispersion.addParticle([float(epsilon.value_in_unit(unit.kilojoule_per_mole) > 0.0)])
    system_of_terms.setDefaultPeriodicBoxVectors(*system.getDefaultPeriodicBoxVectors())
    for group, force in enumerate((coulomb, dispersion)):
        copy = openmm.XmlSerializer.clone(force)
        copy.setForceGroup(group)
        system_of_terms.addForce(copy)
    platform = openmm.Platform.getPlatformByName("Reference")
    context = openmm.Context(system_of_terms, openmm.VerletIntegrator(0.001), platform)
    context.setPositions(atoms.positions * _NM)
    energies = {}
    for group, name in enumerate(("Coulomb", "van der Waals")):
        state = context.getState(getEnergy=True, groups={group})
        energies[name] = state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole) / EV_IN_KJ_MOL
    found = context.getState(getForces=True).getForces(asNumpy=True)
    return energies, found.value_in_unit(unit.kilojoule_per_mole / unit.angstrom) / EV_IN_KJ_MOL


def _add(molecule, scale, first, system, bonds, angles, dihedrals, impropers, coulomb, dispersion, at_14) -> None:  # type: ignore[no-untyped-def]
    graph = networkx.Graph()
    graph.add_nodes_from(range(len(molecule.masses)))
    charges = [scale * charge for charge in molecule.charges]
    for mass, charge, (epsilon, sigma) in zip(molecule.masses, charges, molecule.lennard_jones, strict=True):
        system.addParticle(mass)
        coulomb.addParticle(charge, 1.0, 0.0)
        dispersion.addParticle([epsilon * _KCAL, sigma * _NM])
    for (a, b), (k, length) in molecule.terms["Bonds"]:
        bonds.addBond(first + a, first + b, length * _NM, 2 * k * _KCAL / _NM**2)
        graph.add_edge(a, b)
    for (a, b, c), (k, degrees) in molecule.terms["Angles"]:
        angles.addAngle(first + a, first + b, first + c, np.radians(degrees), 2 * k * _KCAL)
    for (a, b, c, d), constants in molecule.terms["Dihedrals"]:
        for n, k in enumerate(constants, start=1):
            dihedrals.addTorsion(
                *(first + each for each in (a, b, c, d)), n, np.pi if n % 2 == 0 else 0.0, 0.5 * k * _KCAL
            )
    for (a, b, c, d), (k, sign, n) in molecule.terms["Impropers"]:
        impropers.addTorsion(*(first + each for each in (a, b, c, d)), int(n), np.pi if sign < 0 else 0.0, k * _KCAL)
    for a, reached in networkx.all_pairs_shortest_path_length(graph, cutoff=3):
        for b, steps in reached.items():
            if not a < b:
                continue
            dispersion.addExclusion(first + a, first + b)
            scaled = 0.5 * charges[a] * charges[b] if steps == 3 else 0.0
            coulomb.addException(first + a, first + b, scaled, 1.0, 0.0)
            if steps == 3:
                (e1, s1), (e2, s2) = molecule.lennard_jones[a], molecule.lennard_jones[b]
                at_14.addBond(first + a, first + b, [np.sqrt(e1 * e2) * _KCAL, np.sqrt(s1 * s2) * _NM])
