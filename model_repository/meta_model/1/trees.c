#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <float.h>
#include <math.h>
#include <stdint.h>

#if defined(__clang__) || defined(__GNUC__)
#define LIKELY(x)   __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#else
#define LIKELY(x)   (x)
#define UNLIKELY(x) (x)
#endif

#define N_TARGET 1
#define MAX_N_CLASS 1

union Entry {
  int missing;
  double fvalue;
  int qvalue;
};

int32_t get_num_target(void);
void get_num_class(int32_t* out);
int32_t get_num_feature(void);
const char* get_threshold_type(void);
const char* get_leaf_output_type(void);
void predict(union Entry* data, int pred_margin, double* result);
void postprocess(double* result);
static const int32_t num_class[] = {  1, };

int32_t get_num_target(void) {
  return N_TARGET;
}
void get_num_class(int32_t* out) {
  for (int i = 0; i < N_TARGET; ++i) {
    out[i] = num_class[i];
  }
}
int32_t get_num_feature(void) {
  return 8;
}
const char* get_threshold_type(void) {
  return "float64";
}
const char* get_leaf_output_type(void) {
  return "float64";
}

void predict(union Entry* data, int pred_margin, double* result) {
  unsigned int tmp;
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)0.5755558013916016735) ) ) {
    if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-1.242031216621398704) ) ) {
      result[0] += -0.14098360655737704;
    } else {
      if ( LIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-0.1999208107590675076) ) ) {
        result[0] += -0.06431095406360425;
      } else {
        if ( LIKELY( !(data[7].missing != -1) || (data[7].fvalue <= (double)314.6000061035156818) ) ) {
          if ( LIKELY( !(data[3].missing != -1) || (data[3].fvalue <= (double)0.291541129350662287) ) ) {
            result[0] += 0.003703703703703704;
          } else {
            result[0] += 0.0962962962962963;
          }
        } else {
          result[0] += -0.06431095406360425;
        }
      }
    }
  } else {
    if ( UNLIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)1.471965610980987771) ) ) {
      result[0] += 0.1;
    } else {
      result[0] += 0.18782608695652175;
    }
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)0.5755558013916016735) ) ) {
    if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-1.088116347789764182) ) ) {
      result[0] += -0.12233958486262704;
    } else {
      if ( LIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-0.2593867629766463678) ) ) {
        result[0] += -0.05753348217552101;
      } else {
        if ( LIKELY( !(data[7].missing != -1) || (data[7].fvalue <= (double)316.7666778564453693) ) ) {
          if ( UNLIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)2.8416528701782231) ) ) {
            result[0] += -0.04927924029528109;
          } else {
            result[0] += 0.03133855891593664;
          }
        } else {
          result[0] += -0.05753348217552101;
        }
      }
    }
  } else {
    if ( UNLIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)1.471965610980987771) ) ) {
      result[0] += 0.09069971522692824;
    } else {
      result[0] += 0.17089657084569643;
    }
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)0.5755558013916016735) ) ) {
    if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-1.266785979270934837) ) ) {
      result[0] += -0.11938417954401287;
    } else {
      if ( LIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-0.1813570782542228421) ) ) {
        if ( LIKELY( !(data[7].missing != -1) || (data[7].fvalue <= (double)301.1666717529297443) ) ) {
          if ( UNLIKELY(  (data[2].missing != -1) && (data[2].fvalue <= (double)-0.02292107418179511677) ) ) {
            result[0] += -0.11342931087887027;
          } else {
            result[0] += -0.04052869746477006;
          }
        } else {
          result[0] += -0.015211001854894836;
        }
      } else {
        result[0] += 0.00683105201609242;
      }
    }
  } else {
    if ( UNLIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)1.471965610980987771) ) ) {
      result[0] += 0.08260388989990693;
    } else {
      result[0] += 0.1578351046852976;
    }
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)0.5755558013916016735) ) ) {
    if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-1.242031216621398704) ) ) {
      result[0] += -0.10787990015804189;
    } else {
      if ( LIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-0.2593867629766463678) ) ) {
        result[0] += -0.04926050180798318;
      } else {
        if ( LIKELY( !(data[6].missing != -1) || (data[6].fvalue <= (double)0.4025125503540039618) ) ) {
          if ( LIKELY(  (data[7].missing != -1) && (data[7].fvalue <= (double)316.7666778564453693) ) ) {
            result[0] += 0.04388513812290572;
          } else {
            result[0] += -0.04926050180798318;
          }
        } else {
          result[0] += -0.04926050180798318;
        }
      }
    }
  } else {
    if ( UNLIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)1.471965610980987771) ) ) {
      result[0] += 0.07545734288801524;
    } else {
      result[0] += 0.1474168108778345;
    }
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)0.5755558013916016735) ) ) {
    if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-1.266785979270934837) ) ) {
      result[0] += -0.10161013907145842;
    } else {
      if ( LIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-0.1813570782542228421) ) ) {
        result[0] += -0.04313913959192173;
      } else {
        if ( LIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.04283776879310608604) ) ) {
          if ( UNLIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)3.420816779136658159) ) ) {
            result[0] += -0.022598687883510285;
          } else {
            result[0] += 0.06371256231944936;
          }
        } else {
          result[0] += -0.04313913959192173;
        }
      }
    }
  } else {
    if ( UNLIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)1.471965610980987771) ) ) {
      result[0] += 0.06907796790277733;
    } else {
      result[0] += 0.13887977676181432;
    }
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)0.5755558013916016735) ) ) {
    if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-1.537886857986449973) ) ) {
      result[0] += -0.10448719979119803;
    } else {
      if ( LIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-0.2593867629766463678) ) ) {
        result[0] += -0.044623094001095445;
      } else {
        if ( LIKELY( !(data[3].missing != -1) || (data[3].fvalue <= (double)0.291541129350662287) ) ) {
          if ( LIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)3.807811617851257768) ) ) {
            result[0] += -0.044623094001095445;
          } else {
            result[0] += 0.02691025636671799;
          }
        } else {
          result[0] += 0.062345602133995426;
        }
      }
    }
  } else {
    if ( UNLIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)1.471965610980987771) ) ) {
      result[0] += 0.0633327726966065;
    } else {
      result[0] += 0.1317232600881461;
    }
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)0.5755558013916016735) ) ) {
    if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-1.537886857986449973) ) ) {
      result[0] += -0.09750142462017736;
    } else {
      if ( LIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-0.2593867629766463678) ) ) {
        result[0] += -0.04054335510025847;
      } else {
        if ( LIKELY( !(data[3].missing != -1) || (data[3].fvalue <= (double)0.291541129350662287) ) ) {
          if ( LIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)3.807811617851257768) ) ) {
            result[0] += -0.04054335510025847;
          } else {
            result[0] += 0.024407438596553935;
          }
        } else {
          result[0] += 0.0570581235232738;
        }
      }
    }
  } else {
    if ( UNLIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)1.471965610980987771) ) ) {
      result[0] += 0.0581225999122081;
    } else {
      result[0] += 0.12560354594803527;
    }
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)0.5755558013916016735) ) ) {
    if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-1.266785979270934837) ) ) {
      result[0] += -0.08217486796717736;
    } else {
      if ( UNLIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.03309011831879616478) ) ) {
        if ( LIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)3.420816779136658159) ) ) {
          result[0] += -0.03574091863691012;
        } else {
          result[0] += 0.05337212083892953;
        }
      } else {
        if ( LIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)5.429415702819825107) ) ) {
          result[0] += -0.041985979551737655;
        } else {
          result[0] += 0.031964208572791204;
        }
      }
    }
  } else {
    if ( UNLIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)1.471965610980987771) ) ) {
      result[0] += 0.05337212083892953;
    } else {
      result[0] += 0.12027611047625027;
    }
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)0.5755558013916016735) ) ) {
    if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-1.537886857986449973) ) ) {
      result[0] += -0.08599355506059149;
    } else {
      if ( LIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-0.1813570782542228421) ) ) {
        if ( UNLIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)3.518540620803833452) ) ) {
          result[0] += -0.07023302270710098;
        } else {
          if ( UNLIKELY(  (data[2].missing != -1) && (data[2].fvalue <= (double)-0.04781619459390639565) ) ) {
            result[0] += -0.05152522229164;
          } else {
            result[0] += 0.0030817183783729374;
          }
        }
      } else {
        result[0] += 0.00708506128247006;
      }
    }
  } else {
    if ( UNLIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)1.471965610980987771) ) ) {
      result[0] += 0.049023013637668755;
    } else {
      result[0] += 0.11556173953450888;
    }
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)0.5755558013916016735) ) ) {
    if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-1.088116347789764182) ) ) {
      if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-2.128033399581908736) ) ) {
        result[0] += -0.10644658494706982;
      } else {
        result[0] += -0.056011033019126015;
      }
    } else {
      if ( LIKELY( !(data[6].missing != -1) || (data[6].fvalue <= (double)0.4025125503540039618) ) ) {
        result[0] += -0.013320808813477246;
      } else {
        result[0] += -0.056011033019126015;
      }
    }
  } else {
    if ( UNLIKELY(  (data[3].missing != -1) && (data[3].fvalue <= (double)-0.1315204948186874112) ) ) {
      if ( UNLIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)3.028707146644592729) ) ) {
        result[0] += -0.013320808813477246;
      } else {
        result[0] += 0.10592331812056784;
      }
    } else {
      result[0] += 0.10592331812056784;
    }
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)0.5755558013916016735) ) ) {
    if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-1.537886857986449973) ) ) {
      result[0] += -0.07600548630545582;
    } else {
      if ( LIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.05374504067003727653) ) ) {
        result[0] += -0.01661460224286815;
      } else {
        if ( LIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-0.1519433185458183011) ) ) {
          result[0] += -0.07600548630545582;
        } else {
          result[0] += -0.01661460224286815;
        }
      }
    }
  } else {
    if ( UNLIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)2.878832936286926714) ) ) {
      if ( UNLIKELY(  (data[3].missing != -1) && (data[3].fvalue <= (double)-0.1123816519975662093) ) ) {
        result[0] += -0.01661460224286815;
      } else {
        result[0] += 0.08078700685213007;
      }
    } else {
      result[0] += 0.11982696430735924;
    }
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)0.5755558013916016735) ) ) {
    if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-1.242031216621398704) ) ) {
      if ( LIKELY( !(data[2].missing != -1) || (data[2].fvalue <= (double)0.3288900554180145819) ) ) {
        if ( LIKELY(  (data[7].missing != -1) && (data[7].fvalue <= (double)309.8333282470703693) ) ) {
          result[0] += -0.09138529958643653;
        } else {
          result[0] += -0.02680137413100895;
        }
      } else {
        result[0] += -0.011139254270755896;
      }
    } else {
      result[0] += -0.011139254270755896;
    }
  } else {
    if ( UNLIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)2.878832936286926714) ) ) {
      if ( UNLIKELY(  (data[3].missing != -1) && (data[3].fvalue <= (double)-0.1123816519975662093) ) ) {
        result[0] += -0.011139254270755896;
      } else {
        result[0] += 0.07593715756336904;
      }
    } else {
      result[0] += 0.11680641573616812;
    }
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)1.471965610980987771) ) ) {
    if ( LIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-0.2593867629766463678) ) ) {
      if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-2.128033399581908736) ) ) {
        result[0] += -0.09491684706376217;
      } else {
        result[0] += -0.029943592652821694;
      }
    } else {
      if ( LIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.04283776879310608604) ) ) {
        if ( UNLIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)3.420816779136658159) ) ) {
          if ( UNLIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.02888390421867370952) ) ) {
            result[0] += 0.04173013477188772;
          } else {
            result[0] += -0.029943592652821694;
          }
        } else {
          result[0] += 0.061384015340012026;
        }
      } else {
        result[0] += -0.028675028229467908;
      }
    }
  } else {
    result[0] += 0.10124820800059367;
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)1.471965610980987771) ) ) {
    if ( LIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-0.2593867629766463678) ) ) {
      if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-2.128033399581908736) ) ) {
        result[0] += -0.09071403923228383;
      } else {
        result[0] += -0.027254386492363777;
      }
    } else {
      if ( LIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.04283776879310608604) ) ) {
        if ( UNLIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)3.420816779136658159) ) ) {
          if ( UNLIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.02888390421867370952) ) ) {
            result[0] += 0.03807725173615867;
          } else {
            result[0] += -0.027254386492363777;
          }
        } else {
          result[0] += 0.05598944275796484;
        }
      } else {
        result[0] += -0.025945153516699567;
      }
    }
  } else {
    result[0] += 0.09805435102198584;
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)1.471965610980987771) ) ) {
    if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-1.088116347789764182) ) ) {
      result[0] += -0.04805921383795611;
    } else {
      if ( UNLIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.03300984390079975822) ) ) {
        if ( LIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)3.420816779136658159) ) ) {
          if ( LIKELY( !(data[7].missing != -1) || (data[7].fvalue <= (double)303.7666778564453693) ) ) {
            result[0] += -0.04021017179260378;
          } else {
            result[0] += 0.04819444695566309;
          }
        } else {
          result[0] += 0.07783551613248103;
        }
      } else {
        if ( UNLIKELY( !(data[7].missing != -1) || (data[7].fvalue <= (double)283.8333282470703693) ) ) {
          result[0] += 0.01685074524424674;
        } else {
          result[0] += -0.029454915923554176;
        }
      }
    }
  } else {
    result[0] += 0.09500639829769253;
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)1.471965610980987771) ) ) {
    if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-1.537886857986449973) ) ) {
      result[0] += -0.05793795025807516;
    } else {
      if ( LIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.05374504067003727653) ) ) {
        if ( LIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.05157659761607647636) ) ) {
          if ( LIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-0.1455524191260337552) ) ) {
            result[0] += -0.019399082450920854;
          } else {
            if ( UNLIKELY(  (data[7].missing != -1) && (data[7].fvalue <= (double)301.1666717529297443) ) ) {
              result[0] += 0.04967112543337259;
            } else {
              result[0] += -0.0022647617057484338;
            }
          }
        } else {
          result[0] += 0.09206963036824266;
        }
      } else {
        result[0] += -0.05793795025807516;
      }
    }
  } else {
    result[0] += 0.09206963036824266;
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)1.471965610980987771) ) ) {
    if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-1.537886857986449973) ) ) {
      result[0] += -0.054188962026800735;
    } else {
      if ( LIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.05374504067003727653) ) ) {
        if ( LIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.05157659761607647636) ) ) {
          if ( LIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-0.1455524191260337552) ) ) {
            if ( LIKELY( !(data[7].missing != -1) || (data[7].fvalue <= (double)304.6333465576172443) ) ) {
              result[0] += -0.030006014385406534;
            } else {
              result[0] += 0.014462054168193808;
            }
          } else {
            result[0] += 0.020009964568940664;
          }
        } else {
          result[0] += 0.08921595681525817;
        }
      } else {
        result[0] += -0.053651734220425774;
      }
    }
  } else {
    result[0] += 0.08921595681525817;
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)1.70251816511154197) ) ) {
    if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-1.537886857986449973) ) ) {
      result[0] += -0.0506234620069039;
    } else {
      if ( LIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.05374504067003727653) ) ) {
        if ( LIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.05157659761607647636) ) ) {
          if ( LIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-0.1455524191260337552) ) ) {
            result[0] += -0.015930730543576476;
          } else {
            result[0] += 0.018464070809034124;
          }
        } else {
          result[0] += 0.08929831954831258;
        }
      } else {
        if ( LIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-0.1519433185458183011) ) ) {
          result[0] += -0.0506234620069039;
        } else {
          result[0] += 0.013985081773087391;
        }
      }
    }
  } else {
    result[0] += 0.08929831954831258;
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)2.878832936286926714) ) ) {
    if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-2.128033399581908736) ) ) {
      result[0] += -0.07762992259176396;
    } else {
      if ( UNLIKELY(  (data[3].missing != -1) && (data[3].fvalue <= (double)-0.1757816374301910123) ) ) {
        result[0] += -0.04310073757965418;
      } else {
        if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)0.5867116451263428845) ) ) {
          if ( LIKELY( !(data[6].missing != -1) || (data[6].fvalue <= (double)0.3289106637239456732) ) ) {
            if ( LIKELY( !(data[6].missing != -1) || (data[6].fvalue <= (double)0.224866695702075986) ) ) {
              result[0] += -0.014235152910370264;
            } else {
              result[0] += 0.03156734546298657;
            }
          } else {
            result[0] += -0.03552856853031607;
          }
        } else {
          result[0] += 0.048268517665855847;
        }
      }
    }
  } else {
    result[0] += 0.10371200968147365;
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)2.878832936286926714) ) ) {
    if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-2.128033399581908736) ) ) {
      result[0] += -0.07424501935539383;
    } else {
      if ( UNLIKELY(  (data[3].missing != -1) && (data[3].fvalue <= (double)-0.1757816374301910123) ) ) {
        if ( UNLIKELY( !(data[7].missing != -1) || (data[7].fvalue <= (double)285.1333312988281818) ) ) {
          result[0] += 0.002095002628722437;
        } else {
          if ( UNLIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.03300984390079975822) ) ) {
            result[0] += 4.5726754387391126e-05;
          } else {
            result[0] += -0.07424501935539383;
          }
        }
      } else {
        if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)0.5867116451263428845) ) ) {
          result[0] += 0.002095002628722437;
        } else {
          result[0] += 0.04486983354352953;
        }
      }
    }
  } else {
    result[0] += 0.1021052299660326;
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)2.878832936286926714) ) ) {
    if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-2.128033399581908736) ) ) {
      result[0] += -0.07097298860497935;
    } else {
      if ( UNLIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.03300984390079975822) ) ) {
        if ( LIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.03234793618321419456) ) ) {
          result[0] += -0.0009226793151560668;
        } else {
          result[0] += 0.1005753312114309;
        }
      } else {
        if ( UNLIKELY( !(data[7].missing != -1) || (data[7].fvalue <= (double)283.8333282470703693) ) ) {
          result[0] += 0.018251833513312176;
        } else {
          if ( UNLIKELY(  (data[3].missing != -1) && (data[3].fvalue <= (double)-0.1757816374301910123) ) ) {
            result[0] += -0.07097298860497935;
          } else {
            result[0] += -0.01584614466662175;
          }
        }
      }
    }
  } else {
    result[0] += 0.1005753312114309;
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)2.878832936286926714) ) ) {
    if ( LIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-0.2593867629766463678) ) ) {
      result[0] += -0.019326086758333697;
    } else {
      if ( UNLIKELY(  (data[3].missing != -1) && (data[3].fvalue <= (double)-0.1757816374301910123) ) ) {
        result[0] += -0.019326086758333697;
      } else {
        if ( LIKELY( !(data[6].missing != -1) || (data[6].fvalue <= (double)0.3866870254278183539) ) ) {
          if ( UNLIKELY( !(data[6].missing != -1) || (data[6].fvalue <= (double)0.2001519054174423495) ) ) {
            if ( UNLIKELY( !(data[6].missing != -1) || (data[6].fvalue <= (double)0.1390740275382995883) ) ) {
              result[0] += 0.047709844090051495;
            } else {
              result[0] += -0.019326086758333697;
            }
          } else {
            result[0] += 0.048322307244175716;
          }
        } else {
          result[0] += -0.016713045656003955;
        }
      }
    }
  } else {
    result[0] += 0.09910529935192398;
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)2.878832936286926714) ) ) {
    if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-2.128033399581908736) ) ) {
      result[0] += -0.0669286886588951;
    } else {
      if ( UNLIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.03300984390079975822) ) ) {
        if ( LIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.03234793618321419456) ) ) {
          result[0] += -0.0006492101783325989;
        } else {
          result[0] += 0.09768042790070268;
        }
      } else {
        if ( UNLIKELY( !(data[7].missing != -1) || (data[7].fvalue <= (double)283.8333282470703693) ) ) {
          result[0] += 0.017072720550224792;
        } else {
          if ( UNLIKELY(  (data[3].missing != -1) && (data[3].fvalue <= (double)-0.1757816374301910123) ) ) {
            result[0] += -0.0669286886588951;
          } else {
            result[0] += -0.014243921632527731;
          }
        }
      }
    }
  } else {
    result[0] += 0.09768042790070268;
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)2.878832936286926714) ) ) {
    if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-1.242031216621398704) ) ) {
      if ( UNLIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)4.444682359695435458) ) ) {
        result[0] += -0.07398186517780973;
      } else {
        result[0] += -0.010628230533095542;
      }
    } else {
      if ( UNLIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.03300984390079975822) ) ) {
        if ( LIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)3.420816779136658159) ) ) {
          if ( LIKELY( !(data[7].missing != -1) || (data[7].fvalue <= (double)303.7666778564453693) ) ) {
            result[0] += -0.030817995282366437;
          } else {
            result[0] += 0.04574443530615818;
          }
        } else {
          result[0] += 0.06728178959284485;
        }
      } else {
        result[0] += -0.010628230533095542;
      }
    }
  } else {
    result[0] += 0.09628805263951654;
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)2.878832936286926714) ) ) {
    if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-2.128033399581908736) ) ) {
      result[0] += -0.06262147538759087;
    } else {
      if ( LIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.05374504067003727653) ) ) {
        if ( LIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.05157659761607647636) ) ) {
          if ( LIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-0.1455524191260337552) ) ) {
            result[0] += -0.014432904821353128;
          } else {
            result[0] += 0.015344168126481681;
          }
        } else {
          result[0] += 0.09092439181867373;
        }
      } else {
        if ( LIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-0.1519433185458183011) ) ) {
          result[0] += -0.06262147538759087;
        } else {
          result[0] += 0.018172467279254728;
        }
      }
    }
  } else {
    result[0] += 0.09491724619288895;
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)2.878832936286926714) ) ) {
    if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-2.128033399581908736) ) ) {
      result[0] += -0.05968331910085363;
    } else {
      if ( LIKELY( !(data[6].missing != -1) || (data[6].fvalue <= (double)0.4025125503540039618) ) ) {
        if ( LIKELY( !(data[6].missing != -1) || (data[6].fvalue <= (double)0.3744419962167740423) ) ) {
          if ( LIKELY( !(data[6].missing != -1) || (data[6].fvalue <= (double)0.3289106637239456732) ) ) {
            result[0] += 0.005596171421506571;
          } else {
            result[0] += -0.055309858043022464;
          }
        } else {
          result[0] += 0.09355861191423859;
        }
      } else {
        if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-0.3660463392734527033) ) ) {
          result[0] += -0.05968331910085363;
        } else {
          result[0] += 0.003068882277208132;
        }
      }
    }
  } else {
    result[0] += 0.09355861191423859;
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)2.878832936286926714) ) ) {
    if ( UNLIKELY(  (data[3].missing != -1) && (data[3].fvalue <= (double)-0.1791155412793159207) ) ) {
      if ( UNLIKELY( !(data[7].missing != -1) || (data[7].fvalue <= (double)285.1333312988281818) ) ) {
        result[0] += -0.0035845351756714204;
      } else {
        if ( LIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.03832207247614861229) ) ) {
          if ( UNLIKELY( !(data[6].missing != -1) || (data[6].fvalue <= (double)0.2462489902973175326) ) ) {
            result[0] += -0.0035845351756714204;
          } else {
            result[0] += -0.05889382339341742;
          }
        } else {
          result[0] += -0.10353679566229951;
        }
      }
    } else {
      if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)1.449307978153228982) ) ) {
        result[0] += -0.0035845351756714204;
      } else {
        result[0] += 0.06810903110463715;
      }
    }
  } else {
    result[0] += 0.09220412349880747;
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)2.878832936286926714) ) ) {
    if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-2.128033399581908736) ) ) {
      result[0] += -0.056217593318073314;
    } else {
      if ( UNLIKELY(  (data[7].missing != -1) && (data[7].fvalue <= (double)279.5000000000000568) ) ) {
        result[0] += 0.057517687083328134;
      } else {
        if ( UNLIKELY(  (data[3].missing != -1) && (data[3].fvalue <= (double)-0.1757816374301910123) ) ) {
          result[0] += -0.03552971345242533;
        } else {
          if ( UNLIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-0.7379283308982848011) ) ) {
            result[0] += -0.03552971345242533;
          } else {
            if ( LIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)3.92919397354126021) ) ) {
              result[0] += -0.007515097152695354;
            } else {
              result[0] += 0.021415459501993323;
            }
          }
        }
      }
    }
  } else {
    result[0] += 0.09084706434613958;
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)2.878832936286926714) ) ) {
    if ( LIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.05374504067003727653) ) ) {
      if ( LIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.0495875123888254235) ) ) {
        if ( UNLIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.03300984390079975822) ) ) {
          if ( LIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.03234793618321419456) ) ) {
            result[0] += 0.000112859497256617;
          } else {
            result[0] += 0.0894818515297404;
          }
        } else {
          result[0] += -0.017135809142798622;
        }
      } else {
        result[0] += 0.05148171754575075;
      }
    } else {
      if ( LIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-0.1519433185458183011) ) ) {
        result[0] += -0.06619973615566284;
      } else {
        result[0] += 0.016704012671605213;
      }
    }
  } else {
    result[0] += 0.0894818515297404;
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)2.878832936286926714) ) ) {
    if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-2.128033399581908736) ) ) {
      result[0] += -0.053850370185984466;
    } else {
      if ( LIKELY( !(data[6].missing != -1) || (data[6].fvalue <= (double)0.4025125503540039618) ) ) {
        if ( LIKELY( !(data[6].missing != -1) || (data[6].fvalue <= (double)0.3744419962167740423) ) ) {
          if ( LIKELY( !(data[6].missing != -1) || (data[6].fvalue <= (double)0.3289106637239456732) ) ) {
            if ( UNLIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.03300984390079975822) ) ) {
              result[0] += 0.03913076066112199;
            } else {
              result[0] += -0.003408409498133259;
            }
          } else {
            result[0] += -0.04995897849340899;
          }
        } else {
          result[0] += 0.08810401249174808;
        }
      } else {
        result[0] += -0.02426595963893604;
      }
    }
  } else {
    result[0] += 0.08810401249174808;
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)2.878832936286926714) ) ) {
    if ( LIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.05374504067003727653) ) ) {
      if ( LIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.05157659761607647636) ) ) {
        if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)0.5327260494232178845) ) ) {
          if ( UNLIKELY( !(data[6].missing != -1) || (data[6].fvalue <= (double)0.180528864264488248) ) ) {
            result[0] += 0.02716599334120647;
          } else {
            result[0] += -0.019646039204017682;
          }
        } else {
          result[0] += 0.02716599334120647;
        }
      } else {
        result[0] += 0.06740569076474234;
      }
    } else {
      if ( LIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-0.1519433185458183011) ) ) {
        result[0] += -0.06155196005619486;
      } else {
        result[0] += 0.0157167897128911;
      }
    }
  } else {
    result[0] += 0.08671013143628276;
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)2.878832936286926714) ) ) {
    if ( UNLIKELY(  (data[1].missing != -1) && (data[1].fvalue <= (double)-0.7212042510509489857) ) ) {
      if ( LIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)5.144459009170533115) ) ) {
        if ( UNLIKELY( !(data[7].missing != -1) || (data[7].fvalue <= (double)287.3000030517578693) ) ) {
          result[0] += -0.010498415821391644;
        } else {
          result[0] += -0.07620305847128143;
        }
      } else {
        result[0] += 0.0013104301279105986;
      }
    } else {
      if ( LIKELY( !(data[2].missing != -1) || (data[2].fvalue <= (double)0.5130726099014283337) ) ) {
        result[0] += 0.0013104301279105986;
      } else {
        if ( LIKELY(  (data[7].missing != -1) && (data[7].fvalue <= (double)308.0999908447266193) ) ) {
          result[0] += 0.0015574361817763827;
        } else {
          result[0] += 0.08060636294521928;
        }
      }
    }
  } else {
    result[0] += 0.08529773498070435;
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)2.878832936286926714) ) ) {
    if ( UNLIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.02888390421867370952) ) ) {
      if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)0.2647926062345505316) ) ) {
        if ( LIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.02645039744675159801) ) ) {
          result[0] += -0.05796061973763031;
        } else {
          result[0] += 0.04406010524043384;
        }
      } else {
        result[0] += 0.06964660496601519;
      }
    } else {
      if ( UNLIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.03043945226818323482) ) ) {
        result[0] += -0.06489618918587219;
      } else {
        if ( UNLIKELY( !(data[4].missing != -1) || (data[4].fvalue <= (double)0.03300984390079975822) ) ) {
          result[0] += 0.03570625660653167;
        } else {
          result[0] += -0.00932475702608343;
        }
      }
    }
  } else {
    result[0] += 0.08386531156266583;
  }
  if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)2.878832936286926714) ) ) {
    if ( UNLIKELY(  (data[0].missing != -1) && (data[0].fvalue <= (double)-2.128033399581908736) ) ) {
      result[0] += -0.04959137482011896;
    } else {
      if ( LIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)5.626322031021119052) ) ) {
        if ( LIKELY( !(data[5].missing != -1) || (data[5].fvalue <= (double)5.470626592636109287) ) ) {
          if ( LIKELY( !(data[0].missing != -1) || (data[0].fvalue <= (double)0.5755558013916016735) ) ) {
            result[0] += -0.005836822927140111;
          } else {
            if ( UNLIKELY(  (data[3].missing != -1) && (data[3].fvalue <= (double)-0.1123816519975662093) ) ) {
              result[0] += -0.005836822927140111;
            } else {
              result[0] += 0.05656288531189614;
            }
          }
        } else {
          result[0] += 0.06697226923147119;
        }
      } else {
        result[0] += -0.04651895447756401;
      }
    }
  } else {
    result[0] += 0.0824121775022984;
  }
  
  // Apply base_scores
  result[0] += 0;
  
  // Apply postprocessor
  if (!pred_margin) { postprocess(result); }
}

void postprocess(double* result) {
  // sigmoid
  const double alpha = (double)1;
  for (size_t i = 0; i < N_TARGET * MAX_N_CLASS; ++i) {
    result[i] = (double)(1) / ((double)(1) + exp(-alpha * result[i]));
  }
}

/* P(fake) of `count` rows of floats; NaN means missing. */
void predict_rows(const float* rows, size_t count, float* result) {
  for (size_t i = 0; i < count; ++i) {
    union Entry row[8];
    double score[N_TARGET * MAX_N_CLASS] = {0};
    for (size_t j = 0; j < 8; ++j) {
      const float value = rows[i * 8 + j];
      if (value != value) {
        row[j].missing = -1;
      } else {
        row[j].fvalue = (double)value;
      }
    }
    predict(row, 0, score);
    result[i] = (float)score[0];
  }
}
