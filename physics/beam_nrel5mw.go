package physics

// nrel5MW is the blade of the NREL 5 MW reference turbine: share of the length of
// 61.5 m, mass in kg/m, EI flapwise and edgewise in N·m² (Jonkman, Butterfield,
// Musial & Scott 2009, NREL/TP-500-38060; the public OpenFAST deck
// NRELOffshrBsline5MW_Blade.dat).
var nrel5MW = [][4]float64{
	{0.0, 678.935, 1.811e+10, 1.81136e+10},
	{0.00325, 678.935, 1.811e+10, 1.81136e+10},
	{0.01951, 773.363, 1.94249e+10, 1.95586e+10},
	{0.03577, 740.55, 1.74559e+10, 1.94978e+10},
	{0.05203, 740.042, 1.52874e+10, 1.97888e+10},
	{0.06829, 592.496, 1.07824e+10, 1.48585e+10},
	{0.08455, 450.275, 7.22972e+09, 1.02206e+10},
	{0.10081, 424.054, 6.30954e+09, 9.1447e+09},
	{0.11707, 400.638, 5.52836e+09, 8.06316e+09},
	{0.13335, 382.062, 4.98006e+09, 6.88444e+09},
	{0.14959, 399.655, 4.93684e+09, 7.00918e+09},
	{0.16585, 426.321, 4.69166e+09, 7.16768e+09},
	{0.18211, 416.82, 3.94946e+09, 7.27166e+09},
	{0.19837, 406.186, 3.38652e+09, 7.0817e+09},
	{0.21465, 381.42, 2.93374e+09, 6.24453e+09},
	{0.23089, 352.822, 2.56896e+09, 5.04896e+09},
	{0.24715, 349.477, 2.38865e+09, 4.94849e+09},
	{0.26341, 346.538, 2.27199e+09, 4.80802e+09},
	{0.29595, 339.333, 2.05005e+09, 4.5014e+09},
	{0.32846, 330.004, 1.82825e+09, 4.24407e+09},
	{0.36098, 321.99, 1.58871e+09, 3.99528e+09},
	{0.3935, 313.82, 1.36193e+09, 3.75076e+09},
	{0.42602, 294.734, 1.10238e+09, 3.44714e+09},
	{0.45855, 287.12, 8.758e+08, 3.13907e+09},
	{0.49106, 263.343, 6.813e+08, 2.73424e+09},
	{0.52358, 253.207, 5.3472e+08, 2.55487e+09},
	{0.5561, 241.666, 4.089e+08, 2.33403e+09},
	{0.58862, 220.638, 3.1454e+08, 1.82873e+09},
	{0.62115, 200.293, 2.3863e+08, 1.5841e+09},
	{0.65366, 179.404, 1.7588e+08, 1.32336e+09},
	{0.68618, 165.094, 1.2601e+08, 1.18368e+09},
	{0.7187, 154.411, 1.0726e+08, 1.02016e+09},
	{0.75122, 138.935, 90880000, 7.9781e+08},
	{0.78376, 129.555, 76310000, 7.0961e+08},
	{0.81626, 107.264, 61050000, 5.1819e+08},
	{0.84878, 98.776, 49480000, 4.5487e+08},
	{0.8813, 90.248, 39360000, 3.9512e+08},
	{0.89756, 83.001, 34670000, 3.5372e+08},
	{0.91382, 72.906, 30410000, 3.0473e+08},
	{0.93008, 68.772, 26520000, 2.8142e+08},
	{0.93821, 66.264, 23840000, 2.6171e+08},
	{0.94636, 59.34, 19630000, 1.5881e+08},
	{0.95447, 55.914, 16000000, 1.3788e+08},
	{0.9626, 52.484, 12830000, 1.1879e+08},
	{0.97073, 49.114, 10080000, 1.0163e+08},
	{0.97886, 45.818, 7550000, 85070000},
	{0.98699, 41.669, 4600000, 64260000},
	{0.99512, 11.453, 250000.0, 6610000},
	{1.0, 10.319, 170000.0, 5010000},
}

// nrel5MWProfile is its outline at distances from the rotor's axis in m: chord in m and
// thickness over chord (the same report, table 3-1; cylinder, DU40, DU35, DU30, DU25,
// DU21 and NACA 64-618).
var nrel5MWProfile = [][3]float64{
	{1.5, 3.542, 1},
	{5.6, 3.854, 1},
	{8.3333, 4.167, 1},
	{11.75, 4.557, 0.405},
	{15.85, 4.652, 0.3509},
	{19.95, 4.458, 0.3509},
	{24.05, 4.249, 0.30},
	{28.15, 4.007, 0.25},
	{32.25, 3.748, 0.25},
	{36.35, 3.502, 0.21},
	{40.45, 3.256, 0.21},
	{44.55, 3.010, 0.18},
	{48.65, 2.764, 0.18},
	{52.75, 2.518, 0.18},
	{56.1667, 2.313, 0.18},
	{58.9, 2.086, 0.18},
	{61.6333, 1.419, 0.18},
	{63, 1.419, 0.18},
}

// Dimensions of the turbine (NREL/TP-500-38060).
const (
	nrel5MWLengthM    = 61.5
	nrel5MWRootM      = 1.5
	nrel5MWMassFactor = 1.04536
	nrel5MWDamping    = 0.004775 // of the blade's modes, of critical
)

// nrel5MWBlade is the blade flapwise, or edgewise in the plane of rotation. The outer
// fibre lies half the thickness away, edgewise half the chord.
func nrel5MWBlade(edgewise bool) Beam {
	table := make([]Section, len(nrel5MW))
	for i, row := range nrel5MW {
		at := row[0] * nrel5MWLengthM
		chord, thick := outline(nrel5MWProfile, nrel5MWRootM+at)
		table[i] = Section{AtM: at, MassKgPerM: row[1], EI: row[2], FibreM: chord * thick / 2}
		if edgewise {
			table[i].EI, table[i].FibreM = row[3], chord/2
		}
	}
	b := NewBeam(table, nrel5MWMassFactor)
	b.RootM, b.InPlane = nrel5MWRootM, edgewise
	return b
}

// nrel5MWTower is the onshore tower with nacelle and rotor, 350 t, on it.
func nrel5MWTower() Beam {
	b := Tube{HeightM: 87.6, BaseM: 6, TopM: 3.87, BaseWallM: 0.0351, TopWallM: 0.0247, ModulusPa: 210e9, DensityKgM3: 8500}.Beam(40)
	b.TipKg = 350e3
	return b
}

// outline interpolates a profile.
func outline(profile [][3]float64, r float64) (chord, thick float64) {
	for i := 1; i < len(profile); i++ {
		p, q := profile[i-1], profile[i]
		if r <= q[0] {
			u := (r - p[0]) / (q[0] - p[0])
			return p[1] + u*(q[1]-p[1]), p[2] + u*(q[2]-p[2])
		}
	}
	last := profile[len(profile)-1]
	return last[1], last[2]
}
